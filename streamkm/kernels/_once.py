"""Values that are computed when they are first needed, by one of several threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """A value that the first thread computes, while others that need it wait.

    Parameters
    ----------
    compute : callable
        It should not refer to the owner of this object, whose memory would then be released late.
    """

    def __init__(self, compute: Callable[[], T]) -> None:
        self._compute, self._lock = compute, threading.Lock()
        self._made: list[T] = []

    @property
    def known(self) -> bool:
        """Whether the value has been computed."""
        return bool(self._made)

    def __call__(self) -> T:
        with self._lock:
            if not self._made:
                self._made.append(self._compute())
            return self._made[0]
