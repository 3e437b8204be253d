"""Estimators from stored models."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from streamkm.errors import DataError
from streamkm.estimators.bisecting import BisectingKMeans
from streamkm.estimators.hierarchical import HierarchicalKMeans
from streamkm.estimators.kmeans import KMeans
from streamkm.estimators.minibatch import MiniBatchKMeans
from streamkm.estimators.quantizer import from_codebooks
from streamkm.estimators.spherical import SphericalKMeans
from streamkm.estimators.streaming import StreamingKMeans
from streamkm.models.model import KNOWN_CENTROIDS, Model
from streamkm.models.quantizer import load_codebooks
from streamkm.models.storage import load_model
from streamkm.models.sweep_model import model_from_sweep
from streamkm.outputs import QUANTIZER, kind_of
from streamkm.passes import Tree
from streamkm.rows import UnitLength

if TYPE_CHECKING:
    import xarray as xr

Loaded: TypeAlias = (
    KMeans | BisectingKMeans | HierarchicalKMeans | MiniBatchKMeans | StreamingKMeans
)


def load(path: str | os.PathLike[str] | xr.Dataset, n_clusters: int | None = None) -> Any:
    """Load a fitted estimator from a model that `save` or ``streamkm fit`` wrote, or from a sweep.

    Parameters
    ----------
    path : str or path-like, or xarray.Dataset
        Path or URL of the model; or a sweep or its path, with `n_clusters`.
    n_clusters : int or None
        Which k of a sweep; None for a model.

    Returns
    -------
    KMeans, SphericalKMeans, BisectingKMeans, HierarchicalKMeans, MiniBatchKMeans, \
StreamingKMeans or ProductQuantizer
        The estimator, with all attributes but `labels_`, `unbounded_inertia_`, `routing_` and the
        reads and iterations of a ProductQuantizer. `partial_fit` continues with the bits of the
        saved model. One k of a sweep is a `KMeans` with its best centroids and the scale of the
        sweep, which labels rows like the sweep.

    Raises
    ------
    NotAModelError
        If there is no model or sweep at the path.
    DataError
        If the sweep does not contain this k.

    Examples
    --------
    >>> import numpy as np, streamkm, tempfile
    >>> x = np.random.default_rng(0).normal(size=(100, 2))
    >>> km = streamkm.KMeans(3, random_state=0).fit(x)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     km.save(f"{folder}/model")
    ...     again = streamkm.load(f"{folder}/model")
    >>> np.array_equal(again.predict(x), km.labels_)
    True
    """
    if n_clusters is not None:
        return from_model(model_from_sweep(path, n_clusters))
    if isinstance(path, (str, os.PathLike)):
        if kind_of(path) == QUANTIZER:
            return from_codebooks(load_codebooks(path))
        return from_model(load_model(path))
    raise DataError("n_clusters is missing: give the k of the sweep that the estimator is to have.")


def from_model(model: Model) -> Loaded:
    """Return the estimator of a stored model."""
    kind = _class_of(model)
    known = kind().get_params()
    asked: dict[str, Any] = {"n_clusters": len(model.scaled_centroids)}
    asked |= {name: value for name, value in model.parameters.items() if name in known}
    asked["feature_dim"] = model.feature_dim
    if model.init is not None:
        asked["init"] = model.init
    estimator = kind(**asked)
    if isinstance(estimator, StreamingKMeans):
        return estimator._restore(model)
    estimator._take(model.scaled_centroids, model.scaling, model.features or None)
    estimator.cluster_centers_ = model.centroids
    estimator._set_units(model.units)
    if model.names:
        estimator.cluster_names_ = np.array(model.names, dtype=object)
    if isinstance(estimator, MiniBatchKMeans):
        estimator._restore_batches(model)
    if model.stop_reason == KNOWN_CENTROIDS:
        return estimator  # not from a fit
    estimator.inertia_ = model.inertia
    estimator.n_passes_, estimator.bytes_read_ = model.n_passes, model.bytes_read
    if model.counts is not None and not model.batches:
        estimator.counts_ = model.counts
    if isinstance(estimator, HierarchicalKMeans):
        assert model.hierarchy is not None
        estimator.hierarchy_ = model.hierarchy
        estimator.history_, estimator.n_iter_ = model.history, len(model.history)
        return estimator
    estimator.reads_ = model.reads
    if isinstance(estimator, BisectingKMeans):
        assert model.tree is not None
        estimator.tree_ = Tree(*model.tree)
        return estimator
    estimator.stop_reason_ = model.stop_reason
    if not isinstance(estimator, MiniBatchKMeans):
        estimator.history_, estimator.n_iter_ = model.history, len(model.history)
    return estimator


def _class_of(model: Model) -> type[Loaded]:
    """Return the class of the estimator that a model stores."""
    if model.summary:
        return StreamingKMeans
    if model.batches:
        return MiniBatchKMeans
    if model.tree is not None:
        return BisectingKMeans
    if model.hierarchy is not None:
        return HierarchicalKMeans
    return SphericalKMeans if isinstance(model.scaling, UnitLength) else KMeans
