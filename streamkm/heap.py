"""Where threads allocate."""

from __future__ import annotations

import ctypes


def one_heap() -> None:
    """Let all threads allocate from one heap, where the C library is glibc.

    With a heap for each thread the blocks that pass through leave holes in all of them, and the
    peak depends on who decoded what [docs/benchmarks.md]. Threads that have one already keep it.
    """
    m_arena_max = -8
    try:
        ctypes.CDLL(None).mallopt(m_arena_max, 1)
    except (AttributeError, OSError):
        return
