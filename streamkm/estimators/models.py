"""Conversion of estimators to stored models and to estimators of scikit-learn."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import Float64Array
from streamkm.errors import DataError
from streamkm.models.model import KNOWN_CENTROIDS, Model
from streamkm.models.storage import save_model
from streamkm.outputs import MODEL, alone, check_store, plain
from streamkm.rows import Scaling, Shifted, Standardised, UnitLength
from streamkm.updates import history_array
from streamkm.versions import versions

_SCALARS = ("init", "random_state")  # parameters that may be objects


def save(estimator: Any, path: str | os.PathLike[str], overwrite: bool) -> None:
    """Store an estimator as a model."""
    target = check_store(path, MODEL, overwrite)
    parameters = {
        name: value
        for name, value in estimator.get_params(deep=False).items()
        # A checkpoint belongs to a single run.
        if name != "checkpoint" and (name not in _SCALARS or value is None or np.isscalar(value))
    }
    counts, batches = getattr(estimator, "counts_", None), {}
    if hasattr(estimator, "_stored_batches"):
        counts, batches = estimator._stored_batches
    parameters = {n: v.tolist() if isinstance(v, np.ndarray) else v for n, v in parameters.items()}
    tree = estimator._tree if hasattr(estimator, "tree_") else None
    model = Model(
        estimator.cluster_centers_,
        inertia=getattr(estimator, "inertia_", float("nan")),
        history=getattr(estimator, "history_", history_array([])),
        stop_reason=getattr(estimator, "stop_reason_", KNOWN_CENTROIDS if tree is None else ""),
        n_passes=getattr(estimator, "n_passes_", 0),
        bytes_read=getattr(estimator, "bytes_read_", 0),
        parameters=plain(parameters),
        versions=versions(),
        scaled=None if estimator._scaling is None else estimator._centroids,
        scaling=estimator._scaling,
        features=[str(n) for n in getattr(estimator, "feature_names_in_", [])],
        units=[str(n) for n in getattr(estimator, "feature_units_", [])],
        tree=None if tree is None else (tree.pairs, tree.children),
        reads=getattr(estimator, "reads_", {}),
        init=_array(getattr(estimator, "init", None)),
        counts=counts,
        batches=batches,
        names=[_name(name) for name in getattr(estimator, "cluster_names_", [])],
    )
    with alone(target):
        save_model(target, model, overwrite)


def _name(name: Any) -> Any:
    """Return the name of a cluster as a JSON value: a string, a number or null."""
    name = name.item() if isinstance(name, np.generic) else name
    return name if name is None or isinstance(name, (bool, int, float)) else str(name)


def _array(init: Any) -> Float64Array | None:
    """Return given centroids; None for a name, a function or a model."""
    given = isinstance(init, (np.ndarray, list, tuple))
    return np.array(init, dtype=np.float64, ndmin=2) if given else None


def to_sklearn(estimator: Any, dtype: npt.DTypeLike = np.float64) -> Any:
    """Return a fitted scikit-learn estimator with the same centroids."""
    from sklearn.cluster import KMeans as InMemory  # these take a third of a second
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer, StandardScaler

    if hasattr(estimator, "tree_"):
        raise DataError(
            f"{type(estimator).__name__} labels rows by a tree, which the public API of "
            "scikit-learn cannot represent. Use `cluster_centers_`: the label of a row is nearly "
            "always its nearest center."
        )
    scaling: Scaling | None = estimator._scaling
    centroids = estimator._centroids.astype(dtype)
    k = len(centroids)
    # One iteration from these centroids, on the same rows, moves none of them.
    made = InMemory(k, init=centroids, n_init=1, max_iter=1).fit(centroids)
    made.cluster_centers_ = centroids
    made.inertia_ = getattr(estimator, "inertia_", 0.0)
    made.n_iter_ = getattr(estimator, "n_iter_", 0)
    labels = getattr(estimator, "labels_", None)
    made.labels_ = np.asarray(labels, np.int32) if isinstance(labels, np.ndarray) else None
    if scaling is None:
        return _with_names(made, estimator)
    if isinstance(scaling, UnitLength):
        return make_pipeline(_with_names(Normalizer(), estimator), made)
    center, scale = np.zeros(()), np.ones(centroids.shape[1])
    if isinstance(scaling, Shifted):
        center, scaling = np.array(scaling.origin), scaling.then
    if isinstance(scaling, Standardised):
        center, scale = center + np.array(scaling.center), 1 / np.array(scaling.factor)
    elif scaling is not None:
        raise DataError(f"{type(scaling).__name__} has no counterpart in scikit-learn.")
    scaler = StandardScaler().fit(np.stack([center, center + 1]))
    scaler.mean_, scaler.scale_, scaler.var_ = center, scale, scale**2
    return make_pipeline(_with_names(scaler, estimator), made)


def _with_names(made: Any, estimator: Any) -> Any:
    """Set the number and names of the features on the first step of the estimator."""
    made.n_features_in_ = estimator.n_features_in_
    if hasattr(estimator, "feature_names_in_"):
        made.feature_names_in_ = estimator.feature_names_in_
    return made
