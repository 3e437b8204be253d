"""Centroids with names of features are matched with the data by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr

from streamkm import KMeans, SphericalKMeans
from streamkm.errors import DataError

RNG = np.random.default_rng(0)
NAMES = ["red", "green", "blue"]
X = RNG.normal(size=(300, 3)) + np.array([[0, 40, 90]]) + 9 * RNG.integers(0, 3, (300, 1))
DATA = pd.DataFrame(X, columns=NAMES)
CENTERS = pd.DataFrame(X[:4], columns=NAMES)
BACKWARDS = CENTERS[NAMES[::-1]]
REORDERED = {
    "pandas": BACKWARDS,
    "polars": pl.from_pandas(BACKWARDS),
    "xarray": xr.DataArray(BACKWARDS.to_numpy(), dims=["k", "band"], coords={"band": NAMES[::-1]}),
}


@pytest.mark.parametrize("kind", REORDERED)
@pytest.mark.parametrize("estimator", [KMeans, SphericalKMeans])
def test_init_with_names_in_another_order_is_put_in_order(kind, estimator):
    whole = estimator(4, init=X[:4]).fit(DATA)
    found = estimator(4, init=REORDERED[kind]).fit(DATA)
    assert np.array_equal(found.labels_, whole.labels_)
    assert np.array_equal(found.cluster_centers_, whole.cluster_centers_)


@pytest.mark.parametrize("kind", REORDERED)
def test_known_centroids_keep_their_names(kind):
    model = KMeans.from_centroids(REORDERED[kind])
    assert list(model.feature_names_in_) == NAMES[::-1]
    assert np.array_equal(model.predict(DATA), KMeans.from_centroids(X[:4]).predict(X))


def test_other_names_are_refused():
    other = CENTERS.rename(columns={"red": "nir"})
    with pytest.raises(DataError, match="nir"):
        KMeans(4, init=other).fit(DATA)
    with pytest.raises(DataError, match="nir"):
        KMeans.from_centroids(other).predict(DATA)


def test_centroids_without_names_go_by_position():
    for init in (X[:4], X[:4].tolist(), pd.DataFrame(X[:4])):
        found = KMeans(4, init=init).fit(DATA)
        assert np.array_equal(found.labels_, KMeans(4, init=X[:4]).fit(X).labels_)
