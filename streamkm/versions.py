"""Versions that a result may depend on."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import version

_NAMES = ("streamkm", "numpy", "numba", "dask", "zarr")
_version = cache(version)  # which reads the metadata of a package, for every fit


def versions() -> dict[str, str]:
    """Return the versions of Python, streamkm and the libraries that it computes with."""
    return {"python": platform.python_version(), **{name: _version(name) for name in _NAMES}}
