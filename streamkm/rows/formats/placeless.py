"""Rasters without a georeference, opened without rasterio's warning."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any


@contextmanager
def placeless() -> Iterator[None]:
    """Suppress rasterio's warning about rasters without a georeference.

    Warning filters belong to the process, not to a thread, and Numba changes them while it compiles
    in another thread. The filters are therefore restored in the reverse order.
    """
    # Nothing compiles before the kernels are imported, and `streamkm info` does not need Numba.
    compiling = sys.modules.get("streamkm.kernels.compiling")
    lock: Any = nullcontext() if compiling is None else compiling.compiler_lock
    with lock, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Dataset has no geotransform")
        yield
