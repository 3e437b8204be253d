"""Sweeps: open a stored one, and read and write its attributes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from streamkm.errors import DataError
from streamkm.models.checks import impossible, real, texts
from streamkm.models.scalings import SCALING_ARRAYS, read_scaling
from streamkm.outputs import SWEEP, plain
from streamkm.outputs.reading import StoredGroup, open_stored
from streamkm.outputs.refusing import refuse_large
from streamkm.rows import damage, refuse_lost

if TYPE_CHECKING:
    import xarray as xr

# Number of dimensions of each array.
_NEEDED = {
    **dict.fromkeys(("n_clusters", "train_mean", "train_min", "train_spread"), 1),
    **dict.fromkeys(("train_distortion", "iterations", "history"), 2),
    "centroids": 3,
}
_OPTIONAL = {
    **dict.fromkeys(("calinski_harabasz", "davies_bouldin", "silhouette"), 1),
    **dict.fromkeys(("validation_mean", "validation_min", "validation_spread"), 1),
    "validation_distortion": 2,
    **dict.fromkeys(SCALING_ARRAYS, 1),
    "scaled_centroids": 3,
}
_ATTRIBUTES: dict[str, type | tuple[type, ...]] = {
    "verdict": str,
    "n_passes": (int, float),
    "bytes_read": int,
    "reads": str,
    "parameters": str,
}
_LARGE = ("centroids", "scaled_centroids")  # the other arrays are read when a sweep is opened
_POSITIVE = ("n_clusters", "train_distortion", "train_mean", "train_min", "train_spread")


def open_sweep(path: str | os.PathLike[str]) -> xr.Dataset:
    """Open a sweep that ``streamkm sweep`` or `Dataset.to_zarr` has written.

    Parameters
    ----------
    path : str or path-like
        Zarr store of the sweep.

    Returns
    -------
    xarray.Dataset
        See `streamkm.sweep`; its arrays are lazy.

    Raises
    ------
    NotAModelError
        If there is no sweep at the path.
    DataError
        If an array, an attribute or a chunk is missing or damaged, or cannot be right.

    Notes
    -----
    ``streamkm sweep`` stores every chunk, so any missing chunk of its arrays is an error. In a
    store that `to_zarr` has written, only chunks of `n_clusters`, of the training distortions and
    of the centroids can be checked, because their values are never the fill value.

    Examples
    --------
    >>> import tempfile, numpy as np, streamkm
    >>> x = np.random.default_rng(0).normal(size=(100, 2))
    >>> path = tempfile.mkdtemp() + "/sweep.zarr"
    >>> _ = streamkm.sweep(x, [1, 2, 3]).to_zarr(path, zarr_format=3, consolidated=False)
    >>> streamkm.open_sweep(path)["n_clusters"].values.tolist()
    [1, 2, 3]
    """
    group = open_stored(path, SWEEP, "a sweep", newest=0)
    with damage(f"the sweep {path}"):
        return _sweep_in(group, os.fspath(path))


def _sweep_in(group: StoredGroup, path: str) -> xr.Dataset:
    import xarray as xr  # takes half a second; `predict` with a model does not need it

    known = _NEEDED | {name: ndim for name, ndim in _OPTIONAL.items() if name in group}
    for name, ndim in known.items():
        array = group.stored(name, ndim, "iu" if name == "n_clusters" else "biuf")
        refuse_lost(array)
        refuse_large(array, f"{name!r} of the sweep {path}")
    for name, kind in _ATTRIBUTES.items():
        group.attribute(name, kind)
    for name in ("elbow", "elbow_strength"):
        if name in group.attributes:
            real(group, name)
    others = sorted({name for name, _ in group.group.members()} - set(known))
    sweep: xr.Dataset = xr.open_zarr(
        path, consolidated=False, drop_variables=others, decode_times=False
    )
    for name in set(known) - set(_LARGE):
        with damage(f"{name!r} of the sweep {path}"):
            sweep[name].load()
    for name in _POSITIVE:
        if not np.all(sweep[name].values > (0 if name == "n_clusters" else -1)):
            raise DataError(
                f"a chunk of {name!r} of the sweep {path} is missing or damaged: restore it from "
                "a copy, or run the sweep again."
            )
    ks, (n, most, d) = sweep["n_clusters"].values, sweep["centroids"].shape
    if len(ks) != n or (np.diff(ks) <= 0).any() or ks.max(initial=0) > most:
        impossible(group, "its numbers of clusters do not belong to its centroids")
    read_scaling(group, d)
    texts(group, "features", d)
    texts(group, "feature_units", d)
    for name in ("parameters", "reads"):
        _in_json(sweep, name)
    return sweep


def as_text(facts: Mapping[str, Any]) -> str:
    """Return facts as JSON, because netCDF's attributes are numbers and texts only."""
    return json.dumps(plain(facts), allow_nan=False)


def add_parameters(sweep: xr.Dataset, parameters: Mapping[str, Any]) -> None:
    """Add parameters to the attribute of a sweep."""
    sweep.attrs["parameters"] = as_text(parameters_of(sweep) | dict(parameters))


def parameters_of(sweep: xr.Dataset) -> dict[str, Any]:
    """Return the parameters of a sweep.

    Raises
    ------
    DataError
        If their attribute is damaged.
    """
    return _in_json(sweep, "parameters")


def _in_json(sweep: xr.Dataset, name: str) -> dict[str, Any]:
    try:
        return dict(json.loads(sweep.attrs[name]))
    except (TypeError, ValueError) as error:
        raise DataError(
            f"the attribute {name!r} of the sweep is not a JSON text: it is damaged, or an "
            "older version wrote it. Run the sweep again."
        ) from error
