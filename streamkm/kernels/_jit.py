"""The one place where compiler flags are set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

from streamkm.errors import KernelCacheWarning
from streamkm.warn import warn

F = TypeVar("F", bound=Callable[..., Any])

# No "nnan" or "ninf": they let the compiler mislabel rows that hold NaN.
_FASTMATH = {"contract", "reassoc", "nsz"}


def kernel(function: F) -> F:
    """Compile `function` on first call: no GIL, one thread, cached on disk.

    The cache lies beside the source, or in Numba's per-user folder when that cannot be
    written (or in ``NUMBA_CACHE_DIR``). Where neither can, the kernel is compiled again in
    every process and a `KernelCacheWarning` says so.
    """
    try:
        compiled = numba.njit(nogil=True, cache=True, fastmath=_FASTMATH)(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        warn(
            "there is no writable folder for compiled kernels, so every process compiles them "
            "again (seconds); set NUMBA_CACHE_DIR to a writable folder",
            KernelCacheWarning,
        )
        compiled = numba.njit(nogil=True, fastmath=_FASTMATH)(function)
    return cast(F, compiled)
