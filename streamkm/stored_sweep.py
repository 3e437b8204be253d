"""A sweep that is there: opened from a store, and the centroids of one of its k."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from streamkm.errors import DataError, NotAModelError

if TYPE_CHECKING:
    import xarray as xr

KIND = "streamkm sweep"


def open_sweep(path: str | os.PathLike[str]) -> xr.Dataset:
    """A sweep that was written by ``streamkm sweep``, or by ``to_zarr``.

    Raises
    ------
    NotAModelError
        When there is no sweep at the path.
    """
    import xarray as xr  # half a second, which `predict` with a model does without

    try:
        found: xr.Dataset = xr.open_zarr(os.fspath(path), consolidated=False)
    except (FileNotFoundError, ValueError, TypeError) as error:
        raise NotAModelError(f"{path} is not a sweep.") from error
    if found.attrs.get("kind") != KIND:
        raise NotAModelError(f"{path} is a Zarr group, but not a sweep.")
    return found


def centroids_of(
    found: xr.Dataset | str | os.PathLike[str], n_clusters: int
) -> npt.NDArray[np.float64]:
    """The best centroids (k, d) of one k of a sweep or its path, such as for `KMeans(init=...)`.

    Raises
    ------
    DataError
        When the sweep has no such k.
    """
    if isinstance(found, (str, os.PathLike)):
        found = open_sweep(found)
    if n_clusters not in found["n_clusters"].values:
        raise DataError(f"the sweep has no k={n_clusters}; it has {found['n_clusters'].values}.")
    values: npt.NDArray[np.float64] = found["centroids"].sel(n_clusters=n_clusters).values
    return values[:n_clusters]
