"""Rasters without a georeference, opened without rasterio's warning."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from streamkm.kernels.compiling import compiler_lock


@contextmanager
def placeless() -> Iterator[None]:
    """Suppress rasterio's warning about rasters without a georeference.

    Warning filters belong to the process, not to a thread, and Numba changes them while it compiles
    in another thread. The filters are therefore restored in the reverse order.
    """
    with compiler_lock, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Dataset has no geotransform")
        yield
