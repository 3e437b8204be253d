"""Stored sweeps: open one, and take the centroids or the model of one k."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.errors import DataError
from streamkm.models.checks import impossible, real, texts
from streamkm.models.model import KNOWN_CENTROIDS, Model
from streamkm.models.scalings import SCALING_ARRAYS, read_scaling, scaling_from
from streamkm.models.storage import load_model
from streamkm.outputs import SWEEP, plain
from streamkm.outputs.reading import StoredGroup, open_stored
from streamkm.outputs.refusing import refuse_large
from streamkm.rows import Scaling, damage, refuse_lost

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
    sweep.attrs["parameters"] = as_text(_parameters(sweep) | dict(parameters))


def _parameters(sweep: xr.Dataset) -> dict[str, Any]:
    return _in_json(sweep, "parameters")


def _in_json(sweep: xr.Dataset, name: str) -> dict[str, Any]:
    try:
        return dict(json.loads(sweep.attrs[name]))
    except (TypeError, ValueError) as error:
        raise DataError(
            f"the attribute {name!r} of the sweep is not a JSON text: it is damaged, or an "
            "older version wrote it. Run the sweep again."
        ) from error


def centroids_of(found: xr.Dataset | str | os.PathLike[str], n_clusters: int) -> Float64Array:
    """Return the best centroids of one k of a sweep, such as for `KMeans(init=...)`.

    Parameters
    ----------
    found : xarray.Dataset, str or path-like
        A sweep, or the path of a stored one.
    n_clusters : int
        One of its values of k.

    Returns
    -------
    ndarray of shape (n_clusters, n_features), float64
        In the units of the data. Of a sweep with `scale` they belong to scaled rows: give
        `KMeans` the same `scale`, or use `load`, whose estimator has the scale of the sweep.

    Raises
    ------
    NotAModelError
        If there is no sweep at the path.
    DataError
        If the sweep does not contain this k.

    Examples
    --------
    >>> import numpy as np, streamkm
    >>> x = np.repeat([[0.0, 0.0], [9.0, 9.0]], 5, axis=0)
    >>> centroids = streamkm.centroids_of(streamkm.sweep(x, [1, 2]), 2)
    >>> centroids[np.argsort(centroids[:, 0])].tolist()
    [[0.0, 0.0], [9.0, 9.0]]
    """
    if isinstance(found, (str, os.PathLike)):
        found = open_sweep(found)
    return _of_one_k(found, "centroids", n_clusters)


def model_from_sweep(found: xr.Dataset | str | os.PathLike[str], n_clusters: int) -> Model:
    """Return one k of a sweep as a model that can label rows.

    Parameters
    ----------
    found, n_clusters : as for `centroids_of`

    Raises
    ------
    NotAModelError, DataError
        As in `open_sweep` and `centroids_of`.
    """
    sweep = open_sweep(found) if isinstance(found, (str, os.PathLike)) else found
    centroids = _of_one_k(sweep, "centroids", n_clusters)
    scaling = _scaling_of(sweep)
    scaled = None
    if scaling is not None:
        scaled = _of_one_k(sweep, "scaled_centroids", n_clusters)
        if not np.array_equal(scaling.back(scaled), centroids):
            raise DataError(
                "the centroids of the sweep and its scaling do not belong together: a chunk is "
                "missing or damaged. Restore it from a copy, or run the sweep again."
            )
    return Model(
        centroids,
        parameters=_parameters(sweep),
        features=[str(name) for name in np.atleast_1d(sweep.attrs.get("features", []))],
        units=[str(unit) for unit in np.atleast_1d(sweep.attrs.get("feature_units", []))],
        stop_reason=KNOWN_CENTROIDS,
        scaling=scaling,
        scaled=scaled,
    )


def model_at(path: str | os.PathLike[str], n_clusters: int | None = None) -> Model:
    """Read the model at a path, or one k of the sweep there.

    Raises
    ------
    NotAModelError, DataError
        As in `load_model` and `model_from_sweep`.
    """
    return load_model(path) if n_clusters is None else model_from_sweep(path, n_clusters)


def _scaling_of(sweep: xr.Dataset) -> Scaling | None:
    """The scaling of the rows of the fits, or None.

    Raises
    ------
    DataError
        If a part of it is missing.
    """
    try:
        return scaling_from(sweep.attrs, "scaling_origin" in sweep, lambda name: sweep[name].values)
    except KeyError as error:
        raise DataError(f"the sweep lacks {error.args[0]!r}, so it is incomplete.") from error


def _of_one_k(sweep: xr.Dataset, name: str, n_clusters: int) -> Float64Array:
    if "n_clusters" not in sweep.coords or name not in sweep:
        raise DataError(f"the sweep lacks 'n_clusters' or {name!r}, so it is incomplete.")
    if n_clusters not in sweep["n_clusters"].values:
        raise DataError(f"the sweep has no k={n_clusters}; it has {sweep['n_clusters'].values}.")
    with damage(" ".join([f"{name!r} of the sweep", sweep.encoding.get("source", "")]).rstrip()):
        values: Float64Array = sweep[name].sel(n_clusters=n_clusters).values
    centroids = values[:n_clusters]
    if len(centroids) < n_clusters or not np.isfinite(centroids).all():
        raise DataError(
            f"the sweep lacks centroids of k={n_clusters}: one of their chunks is missing. "
            "Restore it from a copy, or run the sweep again."
        )
    return centroids
