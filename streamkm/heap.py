"""Memory allocation of threads."""

from __future__ import annotations

import ctypes


def one_heap() -> None:
    """Make all threads allocate from one heap, if the C library is glibc.

    With one heap for each thread, blocks fragment all of them, and the peak depends on which thread
    decoded which block [docs/benchmarks.md]. Threads that already have a heap keep it.
    """
    m_arena_max = -8
    try:
        ctypes.CDLL(None).mallopt(m_arena_max, 1)
    except (AttributeError, OSError):
        return
