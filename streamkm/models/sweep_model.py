"""One k of a sweep: its centroids, or a model."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.errors import DataError
from streamkm.models.model import KNOWN_CENTROIDS, Model
from streamkm.models.scalings import scaling_from
from streamkm.models.storage import load_model
from streamkm.models.sweep import open_sweep, parameters_of
from streamkm.rows import Scaling, damage

if TYPE_CHECKING:
    import xarray as xr


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
        parameters=parameters_of(sweep),
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
