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
from streamkm.streaming import Drift
from streamkm.updates import history_array
from streamkm.versions import versions

_SCALARS = ("init", "random_state")  # parameters that may be objects
# A checkpoint belongs to a single run, and frozen centroids are stored with the summary.
_NOT_STORED = ("checkpoint", "frozen")


def save(estimator: Any, path: str | os.PathLike[str], overwrite: bool) -> None:
    """Store an estimator as a model."""
    target = check_store(path, MODEL, overwrite)
    with alone(target):
        save_model(target, stored_model(estimator), overwrite)


def stored_model(estimator: Any) -> Model:
    """Return a fitted estimator as a model."""
    parameters = {
        name: value
        for name, value in estimator.get_params(deep=False).items()
        if name not in _NOT_STORED and (name not in _SCALARS or value is None or np.isscalar(value))
    }
    counts, batches = getattr(estimator, "counts_", None), {}
    if hasattr(estimator, "_stored_batches"):
        counts, batches = estimator._stored_batches
    parameters = {n: v.tolist() if isinstance(v, np.ndarray) else v for n, v in parameters.items()}
    tree = estimator._tree if hasattr(estimator, "tree_") else None
    hierarchy = getattr(estimator, "hierarchy_", None)
    fitted = KNOWN_CENTROIDS if tree is None and hierarchy is None else ""
    return Model(
        np.asarray(estimator.cluster_centers_, np.float64),
        inertia=getattr(estimator, "inertia_", float("nan")),
        history=getattr(estimator, "history_", history_array([])),
        stop_reason=getattr(estimator, "stop_reason_", fitted),
        n_passes=getattr(estimator, "n_passes_", 0),
        bytes_read=getattr(estimator, "bytes_read_", 0),
        parameters=plain(parameters),
        versions=versions(),
        scaled=None if estimator._scaling is None else estimator._centroids,
        scaling=estimator._scaling,
        features=[str(n) for n in getattr(estimator, "feature_names_in_", [])],
        units=[str(n) for n in getattr(estimator, "feature_units_", [])],
        tree=None if tree is None else (tree.pairs, tree.children),
        hierarchy=hierarchy,
        drift=_arrays(getattr(estimator, "drift_", None)),
        reads=getattr(estimator, "reads_", {}),
        init=_array(getattr(estimator, "init", None)),
        counts=counts,
        batches=batches,
        summary=estimator._summary.stored if hasattr(estimator, "_summary") else {},
        **(estimator._seen.fields if hasattr(estimator, "_seen") else {}),
        names=[_name(name) for name in getattr(estimator, "cluster_names_", [])],
    )


def _arrays(drift: Drift | None) -> dict[str, Any]:
    return {} if drift is None else vars(drift)


def _name(name: Any) -> Any:
    """Return the name of a cluster as a JSON value: a string, a number or null."""
    name = name.item() if isinstance(name, np.generic) else name
    return name if name is None or isinstance(name, (bool, int, float)) else str(name)


def _array(init: Any) -> Float64Array | None:
    """Return given centroids; None for a name, a function or a model."""
    given = isinstance(init, (np.ndarray, list, tuple))
    return np.array(init, dtype=np.float64, ndmin=2) if given else None


def to_sklearn(estimator: Any, dtype: npt.DTypeLike | None) -> Any:
    """Return a fitted scikit-learn estimator with the same centroids.

    scikit-learn refuses rows whose dtype is not that of the centroids, so the default converts
    rows.
    """
    from sklearn.cluster import KMeans as InMemory  # these take a third of a second
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    if hasattr(estimator, "tree_"):
        raise DataError(
            f"{type(estimator).__name__} labels rows by a tree, which the public API of "
            "scikit-learn cannot represent. Use `cluster_centers_`: the label of a row is nearly "
            "always its nearest center."
        )
    centroids = estimator._centroids.astype(np.float64 if dtype is None else dtype)
    k = len(centroids)
    # One iteration from these centroids, on the same rows, moves none of them.
    made = InMemory(k, init=centroids, n_init=1, max_iter=1).fit(centroids)
    made.cluster_centers_ = centroids
    made.inertia_ = getattr(estimator, "inertia_", 0.0)
    made.n_iter_ = getattr(estimator, "n_iter_", 0)
    labels = getattr(estimator, "labels_", None)
    made.labels_ = np.asarray(labels, np.int32) if isinstance(labels, np.ndarray) else None
    scaling: Scaling | None = estimator._scaling
    steps = [made] if scaling is None else [_scaler(scaling, centroids.shape[1]), made]
    if dtype is None:
        convert = FunctionTransformer(
            np.asarray,
            validate=True,
            feature_names_out="one-to-one",
            kw_args={"dtype": np.float64},
        )
        steps = [convert.fit(centroids), *steps]
    _with_names(steps[0], estimator)
    return steps[0] if len(steps) == 1 else make_pipeline(*steps)


def _scaler(scaling: Scaling, n_features: int) -> Any:
    """Return the fitted transformer of scikit-learn for a scaling."""
    from sklearn.preprocessing import Normalizer, StandardScaler

    if isinstance(scaling, UnitLength):
        return Normalizer()
    center, scale = np.zeros(()), np.ones(n_features)
    own: Scaling | None = scaling
    if isinstance(scaling, Shifted):
        center, own = np.array(scaling.origin), scaling.then
    if isinstance(own, Standardised):
        center, scale = center + np.array(own.center), 1 / np.array(own.factor)
    elif own is not None:
        raise DataError(f"{type(own).__name__} has no counterpart in scikit-learn.")
    scaler = StandardScaler().fit(np.stack([center, center + 1]))
    scaler.mean_, scaler.scale_, scaler.var_ = center, scale, scale**2
    return scaler


def _with_names(made: Any, estimator: Any) -> None:
    """Set the number and names of the features on the first step of the estimator."""
    made.n_features_in_ = estimator.n_features_in_
    if hasattr(estimator, "feature_names_in_"):
        made.feature_names_in_ = estimator.feature_names_in_
