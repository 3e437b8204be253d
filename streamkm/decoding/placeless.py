"""Rasters without a georeference, opened without rasterio's warning."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from streamkm.kernels.compiling import compiler_lock


@contextmanager
def placeless() -> Iterator[None]:
    """Rasters without a place on Earth are opened, or made, without a word.

    Filters of warnings are the process's, not a thread's, and Numba changes them while it compiles
    on another: whoever comes second must find what the first has put back.
    """
    with compiler_lock, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Dataset has no geotransform")
        yield
