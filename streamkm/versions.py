"""Versions that a result may depend on."""

from __future__ import annotations

import platform
from importlib.metadata import version

_NAMES = ("streamkm", "numpy", "numba", "dask", "zarr")


def versions() -> dict[str, str]:
    """Return the versions of Python, streamkm and the libraries that it computes with."""
    return {"python": platform.python_version(), **{name: version(name) for name in _NAMES}}
