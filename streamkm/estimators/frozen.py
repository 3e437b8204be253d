"""The parameter `frozen` of `StreamingKMeans`: centroids that a stream keeps."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.estimators.opening import given_centroids
from streamkm.models.model import Model
from streamkm.models.storage import load_model
from streamkm.runs.stream_frozen import FrozenModel


def frozen_model(what: Any, radius: Any) -> FrozenModel | None:
    """Return the frozen centroids that a user gave, if any.

    Parameters
    ----------
    what : fitted estimator, path of a model, array-like or table of shape (f, d), or None
    radius : float or 'auto'
    """
    if what is None:
        return None
    if isinstance(what, (str, os.PathLike)):
        return FrozenModel.from_model(load_model(what), radius)
    centroids, names = given_centroids(what)
    model = Model(
        centroids,
        inertia=getattr(what, "inertia_", np.nan),
        counts=getattr(what, "counts_", None),
        scaling=getattr(what, "_scaling", None),
        features=list(names or ()),
        units=list(getattr(what, "feature_units_", ())),
    )
    return FrozenModel.from_model(model, radius)


def as_parameter(centroids: Float64Array, names: list[str]) -> Any:
    """Return stored frozen centroids (f, d) as a value of the parameter."""
    if not names:
        return centroids
    import pandas as pd  # which xarray needs, too

    return pd.DataFrame(centroids, columns=names)
