"""Who watches a search in memory, and when it must end.

A search may take minutes, between two states of a fit. It reports each of its steps to whoever
attends, and ends after the step in which its time ran out, with the best centroids so far.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

See = Callable[[str], object]


@dataclass
class Attention:
    """What the searches of a fit report to.

    Parameters
    ----------
    see : each is called with every step, in words; an exception of theirs ends the search
    end : of the time, by `time.monotonic`, or None
    ended : whether a search was ended by it
    """

    see: tuple[See, ...] = ()
    end: float | None = None
    ended: bool = False

    def step(self, words: str) -> None:
        """Report a step of a search."""
        for see in self.see:
            see(words)

    @property
    def late(self) -> bool:
        """Whether the time has run out; the search that asks ends."""
        if self.end is not None and time.monotonic() > self.end:
            self.ended = True
        return self.ended


_NOBODY = Attention()
_CURRENT: ContextVar[Attention] = ContextVar("attention", default=_NOBODY)


def attention() -> Attention:
    """Of the searches that begin now."""
    return _CURRENT.get()


@contextmanager
def attending(see: See | None = None, end: float | None = None) -> Iterator[Attention]:
    """Watch the searches of the block, beside whoever does already, or limit their time."""
    outer = _CURRENT.get()
    ends = [each for each in (outer.end, end) if each is not None]
    own = Attention((*outer.see, *([see] if see else [])), min(ends, default=None))
    token = _CURRENT.set(own)
    try:
        yield own
    finally:
        _CURRENT.reset(token)
