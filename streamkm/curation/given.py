"""Clusters and rows as they are given to `partition` and `dedup`."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from streamkm.errors import DataError
from streamkm.estimators.data import InputData, weights_of
from streamkm.estimators.models import stored_model
from streamkm.estimators.opening import given_centroids
from streamkm.models.model import Model
from streamkm.models.storage import load_model
from streamkm.models.sweep_model import model_from_sweep
from streamkm.rows import UnitLength
from streamkm.runs.options import DataOptions

PathLike = str | os.PathLike[str]
_METRICS = ("euclidean", "cosine")


def path_of(model: Any) -> PathLike | None:
    """Return the path of a model that is given by its path."""
    return model if isinstance(model, (str, os.PathLike)) else None


def rows_of(
    model: Model,
    X: Any,
    feature_dim: Any,
    sample_weight: Any,
    mask: Any,
    nodata: Any,
    memory_limit: int | None,
) -> DataOptions:
    """Return the rows with the feature dimension that is given, or that of the model."""
    given = InputData.from_data(X, model.feature_dim if feature_dim is None else feature_dim)
    return replace(
        given.options,
        sample_weight=weights_of(sample_weight),
        mask=weights_of(mask),
        nodata=nodata,
        memory_limit=memory_limit,
    )


def clusters_of(what: Any, metric: str | None, n_clusters: int | None) -> Model:
    """Return the model that is meant: at a path, of an estimator, or of given centroids."""
    if metric not in (*_METRICS, None):
        raise ValueError(f"metric={metric!r}; use {' or '.join(map(repr, _METRICS))}.")
    stored = isinstance(what, (str, os.PathLike))
    if n_clusters is not None and not stored:
        raise DataError("n_clusters is for the path of a sweep; leave it out.")
    if stored:
        found = load_model(what) if n_clusters is None else model_from_sweep(what, n_clusters)
    elif isinstance(what, Model):
        found = what
    elif hasattr(what, "fit") and hasattr(what, "_scaling"):
        check_is_fitted(what)
        found = stored_model(what)
    else:
        centroids, names = given_centroids(what)
        features = [] if names is None else list(names)
        if metric == "cosine":
            unit = UnitLength()
            return Model(centroids, scaling=unit, scaled=unit.there(centroids), features=features)
        return Model(np.ascontiguousarray(centroids), features=features)
    if metric is not None:
        raise DataError("a model has a metric of its own; leave out metric.")
    return found
