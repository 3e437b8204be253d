"""A feed that is read in a thread, at most two pieces ahead."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from streamkm.runs.feeds import Arrived, Event

_TICK = 0.5  # seconds after which an event tells that nothing arrived


def ahead(open_feed: Callable[[], Iterator[Arrived]], idle: float | None = None) -> Iterator[Event]:
    """Yield the events of a feed that may block, and None while nothing arrives.

    One piece waits in a queue while the next one is read, so a producer that is faster than the
    fold is blocked by its pipe.

    Parameters
    ----------
    open_feed : callable that returns the feed
    idle : float or None
        Seconds without rows after which the feed ends.
    """
    pieces: queue.Queue[Any] = queue.Queue(maxsize=1)

    def read() -> None:
        try:
            for piece in open_feed():
                pieces.put(piece)
            pieces.put(None)
        except BaseException as error:
            pieces.put(error)

    # A daemon, because a read that waits for the producer cannot be interrupted.
    threading.Thread(target=read, name="streamkm-feed", daemon=True).start()
    last = time.monotonic()
    while True:
        try:
            found = pieces.get(timeout=_TICK if idle is None else min(idle, _TICK))
        except queue.Empty:
            if idle is not None and time.monotonic() - last >= idle:
                return
            yield None
            continue
        if isinstance(found, BaseException):
            raise found
        if found is None:
            return
        yield found
        last = time.monotonic()
