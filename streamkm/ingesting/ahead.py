"""A feed that is read in a thread, at most two pieces ahead."""

from __future__ import annotations

import io
import queue
import select
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from streamkm.runs.feeds import Arrived, Event

# Seconds after which an event reports that nothing arrived, and waits check for the end.
_TICK = 0.2


class Interruptible(io.RawIOBase):
    """A stream of bytes that ends when `ended` is set, also while a read waits for a producer.

    Parameters
    ----------
    raw : io.RawIOBase or io.BytesIO
    ended : threading.Event
    """

    def __init__(self, raw: Any, ended: threading.Event) -> None:
        self._raw, self._ended = raw, ended
        self._waits: list[int] = []
        with suppress(OSError):  # bytes in memory
            self._waits = [raw.fileno()]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while self._waits and not select.select(self._waits, [], [], _TICK)[0]:
            if self._ended.is_set():
                return 0
        return int(self._raw.readinto(buffer))


def ahead(
    open_feed: Callable[[threading.Event], Iterator[Arrived]], idle: float | None = None
) -> Generator[Event]:
    """Yield the events of a feed that may block, and None while nothing arrives.

    One piece waits in a queue while the next one is read, so a producer that is faster than the
    fold is blocked by its pipe. Closing the generator ends the thread.

    Parameters
    ----------
    open_feed : callable that returns the feed, which ends when the given event is set
    idle : float or None
        Seconds without rows after which the feed ends.
    """
    pieces: queue.Queue[Any] = queue.Queue(maxsize=1)
    ended = threading.Event()

    reading = partial(_read, open_feed, pieces, ended)
    thread = threading.Thread(target=reading, name="streamkm-feed", daemon=True)
    thread.start()
    try:
        last = time.monotonic()
        while True:
            try:
                found = pieces.get(timeout=_TICK)
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
    finally:
        ended.set()
        thread.join()


def _read(
    open_feed: Callable[[threading.Event], Iterator[Arrived]],
    pieces: queue.Queue[Any],
    ended: threading.Event,
) -> None:
    """Put the pieces of a feed in a queue, and then None or the error that ended it."""

    def put(piece: Any) -> None:
        while not ended.is_set():
            with suppress(queue.Full):
                pieces.put(piece, timeout=_TICK)
                return

    try:
        for piece in open_feed(ended):
            put(piece)
            if ended.is_set():
                return
        put(None)
    except BaseException as error:
        put(error)
