"""Estimators from stored models."""

from __future__ import annotations

import os

import numpy as np

from streamkm.estimators.bisecting import BisectingKMeans
from streamkm.estimators.kmeans import KMeans
from streamkm.estimators.spherical import SphericalKMeans
from streamkm.passes import Tree
from streamkm.rows import UnitLength
from streamkm.stored_model import Model, load_model


def load(path: str | os.PathLike[str]) -> KMeans | BisectingKMeans:
    """A fitted estimator from a model that `save` or ``streamkm fit`` wrote.

    Parameters
    ----------
    path : of the model

    Returns
    -------
    KMeans, SphericalKMeans or BisectingKMeans, with everything but `labels_`

    Raises
    ------
    streamkm.errors.DataError
        When there is no model.

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
    return from_model(load_model(path))


def from_model(model: Model) -> KMeans | BisectingKMeans:
    """The estimator that a stored model is of."""
    kind: type[KMeans | BisectingKMeans] = KMeans
    if isinstance(model.scaling, UnitLength):
        kind = SphericalKMeans
    if model.tree is not None:
        kind = BisectingKMeans
    known = kind().get_params()
    asked = {name: value for name, value in model.parameters.items() if name in known}
    asked["feature_dim"] = model.feature_dim
    if "seed" in model.parameters:  # as the command line has them
        asked["random_state"] = model.parameters["seed"]
        asked["loss_tol"] = "auto" if asked["loss_tol"] is None else asked["loss_tol"]
    estimator = kind(**asked | {"n_clusters": len(model.seen)})
    estimator._take(model.seen, model.scaling, model.features or None)
    estimator.inertia_ = model.inertia
    if isinstance(estimator, BisectingKMeans):
        assert model.tree is not None
        estimator.tree_ = Tree(*model.tree)
    else:
        estimator.history_, estimator.n_iter_ = model.history, len(model.history)
        estimator.stop_reason_ = model.stop_reason
    estimator.n_passes_, estimator.bytes_read_ = model.n_passes, model.bytes_read
    if model.names:
        estimator.cluster_names_ = np.array(model.names, dtype=object)
    return estimator
