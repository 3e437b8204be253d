"""A sweep that is there: opened from a store, and the centroids of one of its k."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.errors import DataError, NotAModelError
from streamkm.models.model import Model
from streamkm.outputs import SWEEP
from streamkm.outputs.reading import stored
from streamkm.rows import Shifted, refuse_lost

if TYPE_CHECKING:
    import xarray as xr

KIND = SWEEP
# Arrays by their number of dimensions.
_NEEDED = {
    **dict.fromkeys(("n_clusters", "train_mean", "train_min", "train_spread"), 1),
    **dict.fromkeys(("train_distortion", "iterations", "history"), 2),
    "centroids": 3,
}
_OPTIONAL = {
    **dict.fromkeys(("calinski_harabasz", "davies_bouldin", "silhouette"), 1),
    **dict.fromkeys(("validation_mean", "validation_min", "validation_spread"), 1),
    "validation_distortion": 2,
    "scaling_origin": 1,
    "scaled_centroids": 3,
}
_ATTRIBUTES = ("verdict", "n_passes", "bytes_read", "reads", "parameters")
_LOADED = ("n_clusters", "train_distortion", "train_mean", "train_min", "train_spread")


def open_sweep(path: str | os.PathLike[str]) -> xr.Dataset:
    """A sweep that was written by ``streamkm sweep``, or by ``to_zarr``.

    ``streamkm sweep`` stores every chunk, so any missing chunk of its arrays is an error. Of what
    ``to_zarr`` wrote, only chunks of `n_clusters`, the training distortions and the centroids can
    be checked, because their values are never the fill value.

    Raises
    ------
    NotAModelError
        When there is no sweep at the path.
    DataError
        When it lacks an array, an attribute or a chunk.
    """
    import xarray as xr  # half a second, which `predict` with a model does without
    import zarr

    try:
        group = zarr.open_group(os.fspath(path), mode="r")
    except (FileNotFoundError, ValueError, TypeError, zarr.errors.NodeNotFoundError) as error:
        raise NotAModelError(f"{path} is not a sweep.") from error
    if group.attrs.get("kind") != KIND:
        raise NotAModelError(f"{path} is a Zarr group, but not a sweep.")
    known = _NEEDED | {name: ndim for name, ndim in _OPTIONAL.items() if name in group}
    for name, ndim in known.items():
        refuse_lost(stored(group, name, ndim))
    others = sorted({name for name, _ in group.members()} - set(known))
    found: xr.Dataset = xr.open_zarr(os.fspath(path), consolidated=False, drop_variables=others)
    lacking = [name for name in _ATTRIBUTES if name not in found.attrs]
    if lacking:
        raise DataError(f"the sweep {path} lacks the attribute {lacking[0]!r}, so it is not whole.")
    for name in _LOADED:
        if not np.all(found[name].values > (0 if name == "n_clusters" else -1)):
            raise DataError(
                f"a chunk of {name!r} of the sweep {path} is missing or damaged: restore it from "
                "a copy, or run the sweep again."
            )
    return found


def centroids_of(found: xr.Dataset | str | os.PathLike[str], n_clusters: int) -> Float64Array:
    """The best centroids (k, d) of one k of a sweep or its path, such as for `KMeans(init=...)`.

    Raises
    ------
    DataError
        When the sweep has no such k.
    """
    if isinstance(found, (str, os.PathLike)):
        found = open_sweep(found)
    return _of_one_k(found, "centroids", n_clusters)


def model_of(path: str | os.PathLike[str], n_clusters: int) -> Model:
    """One k of a stored sweep as a model, to label with.

    Raises
    ------
    DataError
        As `open_sweep` and `centroids_of` do.
    """
    found = open_sweep(path)
    scaling, seen = None, None
    if "scaling_origin" in found:
        seen = _of_one_k(found, "scaled_centroids", n_clusters)
        origin = tuple(found["scaling_origin"].values.tolist())
        scaling = Shifted(origin, float(found.attrs["spread"]))
    return Model(
        _of_one_k(found, "centroids", n_clusters),
        parameters=found.attrs["parameters"],
        features=found.attrs.get("features", []),
        scaling=scaling,
        scaled=seen,
    )


def _of_one_k(found: xr.Dataset, name: str, n_clusters: int) -> Float64Array:
    if "n_clusters" not in found.coords or name not in found:
        raise DataError(f"the sweep lacks 'n_clusters' or {name!r}, so it is not whole.")
    if n_clusters not in found["n_clusters"].values:
        raise DataError(f"the sweep has no k={n_clusters}; it has {found['n_clusters'].values}.")
    values: Float64Array = found[name].sel(n_clusters=n_clusters).values
    centroids = values[:n_clusters]
    if len(centroids) < n_clusters or not np.isfinite(centroids).all():
        raise DataError(
            f"the sweep has not all centroids of k={n_clusters}: a chunk of them is missing. "
            "Restore it from a copy, or run the sweep again."
        )
    return centroids
