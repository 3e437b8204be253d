"""Laws of spherical k-means."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from streamkm import KMeans, SphericalKMeans

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def directions():
    centers = RNG.normal(size=(6, 8))
    lengths = np.exp(RNG.normal(size=(3000, 1)))
    return (centers[RNG.integers(6, size=3000)] + 0.3 * RNG.normal(size=(3000, 8))) * lengths


def steps(x, centroids, n):
    """Plain spherical k-means (Dhillon and Modha 2001): the loss of each step, and the end."""
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    losses = []
    for _ in range(n):
        cosines = x @ centroids.T
        of_row = cosines.argmax(axis=1)
        losses.append(2 * (1 - cosines.max(axis=1)).sum())
        sums = np.stack([x[of_row == c].sum(axis=0) for c in range(len(centroids))])
        centroids = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    return losses, centroids


@pytest.mark.parametrize("tabled", [True, False])
def test_every_step_is_that_of_the_plain_algorithm(directions, tabled, request):
    if not tabled:
        request.getfixturevalue("no_table")
    start = directions[:6] / np.linalg.norm(directions[:6], axis=1, keepdims=True)
    model = SphericalKMeans(6, init=directions[:6], tol=0, loss_tol=None).fit(directions)
    losses, centroids = steps(directions, start, model.n_iter_)
    np.testing.assert_allclose(model.history_["inertia"], losses, rtol=1e-9)
    np.testing.assert_allclose(model.cluster_centers_, centroids, atol=1e-9)
    assert (np.diff(model.history_["inertia"]) <= 1e-9).all()


@pytest.mark.parametrize("init", ["auto", "k-means||", "k-means++", "random", "farthest"])
def test_every_seeding_leads_to_directions(directions, init, no_table):
    model = SphericalKMeans(6, init=init, random_state=0).fit(da.from_array(directions, 500))
    np.testing.assert_allclose(np.linalg.norm(model.cluster_centers_, axis=1), 1, rtol=1e-12)
    best = SphericalKMeans(6, n_init=20, random_state=0).fit(directions).inertia_
    assert model.inertia_ <= 3 * best


def test_length_does_not_matter(directions):
    one = SphericalKMeans(6, random_state=0).fit(directions)
    scales = np.exp(RNG.normal(size=(3000, 1)) * 9)
    assert np.array_equal(one.predict(directions * scales), one.labels_)
    assert not np.array_equal(
        KMeans(6, random_state=0).fit(directions).predict(directions * scales),
        KMeans(6, random_state=0).fit(directions).labels_,
    )


def test_rows_of_zeros_and_opposite_rows():
    x = np.array([[0.0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
    model = SphericalKMeans(2, init=np.array([[1.0, 0], [-1, 0]])).fit(x)
    assert np.isfinite(model.cluster_centers_).all()
    assert model.inertia_ <= 2 * 5
    with pytest.raises(ValueError, match="does not scale features"):
        SphericalKMeans(2, scale="standard").fit(x)
