"""The sizes of the clusters, and the table of the centroids."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pandas as pd
import pytest

import streamkm
from streamkm import BisectingKMeans, KMeans

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3000, 3))
WEIGHTS = RNG.integers(0, 4, len(X)).astype(float)


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (X, {}),
        (X, {"n_init": 3, "init": "random"}),
        (X, {"max_iter": 1, "init": X[:4]}),
        (da.from_array(X, chunks=(700, 3)), {"algorithm": "lloyd", "max_iter": 3}),
        (np.round(9 * X).astype(np.int16), {}),
    ],
)
@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_counts_are_the_weights_of_the_labels(data, options, weights):
    km = KMeans(4, random_state=0, **options).fit(data, sample_weight=weights)
    labels = np.asarray(km.labels_).astype(int)
    assert km.counts_.dtype == np.float64
    np.testing.assert_allclose(km.counts_, np.bincount(labels, weights, 4))


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_counts_of_bisected_clusters(weights, tmp_path):
    km = BisectingKMeans(5, random_state=0).fit(X, sample_weight=weights)
    np.testing.assert_allclose(km.counts_, np.bincount(km.labels_, weights, 5))
    km.save(tmp_path / "m")
    assert streamkm.load(tmp_path / "m").counts_.tolist() == km.counts_.tolist()


def test_a_refit_numbers_the_counts_like_the_clusters():
    km = KMeans(4, random_state=0).fit(X[:2000] + 5 * np.sign(X[:2000]))
    km.refit(X + 5 * np.sign(X))
    assert km.counts_.tolist() == np.bincount(km.labels_).tolist()


def test_counts_are_stored_with_the_model_and_dropped_with_other_clusters(tmp_path):
    km = KMeans(4, random_state=0).fit(X)
    km.save(tmp_path / "m")
    assert streamkm.load(tmp_path / "m").counts_.tolist() == km.counts_.tolist()
    km._take(km.cluster_centers_, None)
    assert not hasattr(km, "counts_")


def test_the_table_has_names_of_clusters_and_features():
    frame = pd.DataFrame(X, columns=["red", "green", "nir"])
    km = KMeans(2, random_state=0).fit(frame)
    table = km.centroid_table()
    assert table.index.tolist() == [0, 1]
    assert table.columns.tolist() == ["count", "share", "red", "green", "nir"]
    assert table["share"].sum() == pytest.approx(1)
    assert np.array_equal(table[["red", "green", "nir"]], km.cluster_centers_)
    km.name_clusters(frame, np.where(km.labels_ == 0, "water", "land"))
    assert km.centroid_table().index.tolist() == ["water", "land"]


def test_a_table_without_a_fit_has_no_sizes():
    table = KMeans.from_centroids([[1.0, 2.0]]).centroid_table()
    assert table.columns.tolist() == [0, 1]
    with pytest.raises(ValueError, match="not fitted"):
        KMeans(2).centroid_table()
