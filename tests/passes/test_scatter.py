"""The scores of a sweep, compared with those of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score

from streamkm.passes import Lloyd, Scatter, Scattered
from streamkm.rows import Block
from tests import reference
from tests.conftest import mixture

X = mixture(3000, 4, 5).astype(np.float64)


def converged(k):
    return reference.lloyd(X, X[:k], 60)[-1][0]


@pytest.mark.parametrize("k", [2, 5, 9])
def test_scores_are_scikit_learns(k):
    centroids = converged(k)
    labels = reference.labels(X, centroids)
    found = Scatter(centroids)(Block.from_values(X))
    assert found.calinski_harabasz(centroids) == pytest.approx(calinski_harabasz_score(X, labels))
    assert found.davies_bouldin(centroids) == pytest.approx(
        davies_bouldin_score(X, labels), rel=1e-3
    )


def test_weights_count_as_repeats():
    centroids, times = converged(4), np.arange(len(X)) % 3
    weighted = Scatter(centroids)(Block.from_values(X, times.astype(float)))
    repeated = Scatter(centroids)(Block.from_values(np.repeat(X, times, axis=0)))
    for score in ("calinski_harabasz", "davies_bouldin"):
        assert getattr(weighted, score)(centroids) == pytest.approx(
            getattr(repeated, score)(centroids)
        )


def test_parts_combine_to_what_lloyds_step_gathers_and_the_distances_beside():
    centroids = converged(3)
    parts = [Scatter(centroids)(Block.from_values(part)) for part in np.array_split(X, 7)]
    whole = Scattered.combine([Scatter(centroids).identity(), *parts])
    plain = Lloyd(centroids)(Block.from_values(X))
    np.testing.assert_allclose(whole.sums, plain.sums)
    assert whole.loss == pytest.approx(plain.loss)
    apart = np.sqrt(reference.squared_distances(X, centroids))
    want = [apart[apart.argmin(axis=1) == c, c].sum() for c in range(3)]
    np.testing.assert_allclose(whole.distances, want)


def test_one_cluster_and_no_spread_have_no_scores():
    one = np.zeros((1, 4))
    assert np.isnan(Scatter(one)(Block.from_values(X)).calinski_harabasz(one))
    assert np.isnan(Scatter(one)(Block.from_values(X)).davies_bouldin(one))
    two = np.array([[0.0], [1.0]])
    exact = Scatter(two)(Block.from_values(np.repeat(two, 5, axis=0)))
    assert np.isnan(exact.calinski_harabasz(two))
    assert exact.davies_bouldin(two) == 0
