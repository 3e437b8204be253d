"""Compiler flags of all kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

from streamkm.errors import KernelCacheWarning
from streamkm.warn import warn

F = TypeVar("F", bound=Callable[..., Any])

# "nnan" and "ninf" are not set, because with them the compiler mislabels rows with NaN.
_FASTMATH = {"contract", "reassoc", "nsz"}


def kernel(function: F) -> F:
    """Compile `function` on its first call, without the GIL, for one thread, with a cache on disk.

    The compiler may change the order of sums. The cache is in the folder of the source, in Numba's
    per-user folder where that is not writable, or in ``NUMBA_CACHE_DIR``. Where neither folder is
    writable, every process compiles the kernel again and a `KernelCacheWarning` is issued.
    """
    return _compiled(function, _FASTMATH)


def ordered_kernel(function: F) -> F:
    """Compile like `kernel`, with sums in the order of the source, on every processor."""
    return _compiled(function, False, forceinline=True)


def _compiled(function: F, fastmath: Any, **options: Any) -> F:
    try:
        compiled = numba.njit(nogil=True, cache=True, fastmath=fastmath, **options)(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        warn(
            "there is no writable folder for compiled kernels, so every process compiles them "
            "again (seconds); set NUMBA_CACHE_DIR to a writable folder",
            KernelCacheWarning,
        )
        compiled = numba.njit(nogil=True, fastmath=fastmath, **options)(function)
    return cast(F, compiled)
