"""Bounds by leading directions change the time of a label, never the label."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from streamkm.kernels import Centroids
from streamkm.passes import Lloyd
from tests import reference
from tests.conftest import tile

N, D, K = 1200, 96, 80


@pytest.fixture(autouse=True)
def always(monkeypatch):
    """Use bounds whatever they cost."""
    monkeypatch.setattr("streamkm.kernels.leading._WORTH", 1e9)


def correlated(n=N, d=D, seed=0, dtype=np.float32, noise=0.05):
    """Rows near a subspace of five directions, like patches of photographs."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(5, d)) * np.array([16, 8, 4, 2, 1])[:, None]
    x = rng.normal(size=(n, 5)) @ directions + noise * rng.normal(size=(n, d))
    return tile(x.astype(dtype))


def prepared(x, centroids):
    """Centroids that compare the tile by bounds, as the tests need them to be used."""
    ready = Centroids(centroids.astype(np.float64), x.dtype)
    assert ready.n_directions(x) > 0
    return ready


def plain(x, centroids):
    """Centroids that never use bounds."""
    ready = Centroids(centroids.astype(np.float64), x.dtype)
    ready._leading = lambda: None
    return ready


def check(x, centroids, labels):
    exact = reference.squared_distances(x, centroids)
    chosen = exact[np.arange(len(x)), labels]
    # The reference sums in another order, so ties up to 1e-13 are due to its rounding.
    assert (chosen <= exact.min(axis=1) * (1 + 1e-13)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("d", "k"), [(25, 13), (D, K), (130, 600), (40, 1100), (784, 70)])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_labels_are_the_float64_arg_min(d, k, dtype, offset):
    x = tile(correlated(d=d, dtype=dtype) + dtype(offset))
    centroids = x[:k].astype(np.float64) + 0.01
    labels, d2 = prepared(x, centroids).nearest(x)
    check(x, centroids, labels)
    other, other_d2 = plain(x, centroids).nearest(x)
    assert np.array_equal(labels, other)
    assert np.array_equal(d2, other_d2)


@pytest.mark.parametrize("scale", [1e-44, 1e-38, 1e-22, 1e-17, 1e10, 1e17, 1e19, 3e35])
def test_bounds_that_under_or_overflow_are_not_trusted(scale):
    x = tile((correlated().astype(np.float64) * scale).astype(np.float32))
    centroids = x[:K].astype(np.float64) * 1.01
    check(x, centroids, Centroids(centroids, np.float32).nearest(x)[0])


@pytest.mark.parametrize("scale", [2.0**-9, 2.0**9])
def test_a_power_of_two_scales_distances_and_gaps_and_no_label(scale):
    """Bounds that mix squares with numbers of another unit would hold at one scale only."""
    x = correlated()
    centroids = x[:K].astype(np.float64) + 0.01
    labels, d2, gaps = prepared(x, centroids).nearest_and_gaps(x)
    scaled = tile(x * np.float32(scale))
    found, found_d2, found_gaps = prepared(scaled, centroids * scale).nearest_and_gaps(scaled)
    assert np.array_equal(found, labels)
    assert np.array_equal(found_d2, d2 * scale**2)
    assert np.array_equal(found_gaps, gaps * scale**2)


@pytest.mark.parametrize("scale", [2.0**-30, 1.0, 2.0**30])
@pytest.mark.parametrize("noise", [0.05, 2.0])
def test_a_few_rows_at_any_scale_and_with_ties(scale, noise, monkeypatch):
    """Each centroid is there twice, and some have a neighbour closer than the rounding errors."""
    monkeypatch.setattr("streamkm.kernels.centroids._ROWS", 0)
    x = tile(correlated(40, 25, noise=noise) * np.float32(scale))
    centroids = np.concatenate([1.01 * x[:13].astype(np.float64)] * 2)
    check_gaps(x, centroids[:13])
    centroids[20:] *= 1 + 1e-9
    labels = check_gaps(x, centroids)
    assert labels.max() >= 20
    assert not np.isin(labels, range(13, 20)).any()


def check_gaps(x, centroids):
    """Compare labels and gaps with the reference; return the labels."""
    labels, d2, gaps = prepared(x, centroids).nearest_and_gaps(x)
    exact = reference.squared_distances(x, centroids)
    assert np.array_equal(labels, exact.argmin(axis=1))
    ordered = np.sort(exact, axis=1)
    found = ordered[:, 1] - ordered[:, 0]
    assert d2 == pytest.approx(ordered[:, 0], rel=1e-12, abs=0)
    assert (gaps <= found * (1 + 1e-9)).all()
    assert (gaps >= found - 2e-3 * ordered[:, 1]).all()
    return labels


@pytest.mark.parametrize("far", [1e6, 1e18, 3e38])
def test_single_rows_far_from_all_centroids(far):
    x = correlated().copy()
    x[7, 3] = far
    x[8] = -far / 100
    x = tile(x)
    check(x, x[20 : 20 + K], prepared(x, x[20 : 20 + K]).nearest(x)[0])


def test_ties_go_to_the_lowest_index_and_near_ties_to_the_nearest():
    x = correlated()
    pairs = np.repeat(x[:K].astype(np.float64), 3, axis=0)
    pairs[2::3] += 1e-9
    labels, _ = prepared(x, pairs).nearest(x)
    assert not (labels % 3 == 1).any()
    check(x, pairs, labels)
    same = tile(np.repeat(x[:1], N, axis=0))
    assert (prepared(x, np.repeat(x[:K], 2, axis=0)).nearest(same)[0] == 0).all()


def test_clusters_that_are_tight_and_far_apart():
    """Differences within a cluster are below the error of every bound."""
    rng = np.random.default_rng(0)
    ends = correlated(4, seed=3)[rng.integers(0, 4, N)] * 1e3
    x = tile((ends + 1e-2 * rng.normal(size=(N, D))).astype(np.float32))
    centroids = x[:K].astype(np.float64)
    check(x, centroids, Centroids(centroids, np.float32).nearest(x)[0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_show_in_their_distance_and_spoil_no_other(bad):
    x = correlated()
    ready = prepared(x, x[:K])
    clean, clean_d2 = ready.nearest(x)
    spoilt = x.copy()
    spoilt[[0, 300], 2] = bad
    labels, d2 = ready.nearest(tile(spoilt))
    others = np.delete(np.arange(N), [0, 300])
    assert not np.isfinite(d2[[0, 300]]).any()
    assert np.array_equal(labels[others], clean[others])
    assert np.array_equal(d2[others], clean_d2[others])


@pytest.mark.parametrize("k", [K, 700])
def test_gaps_are_lower_bounds_and_close(k):
    x = correlated()
    centroids = x[:k] + np.float32(0.01)
    _, _, gaps = prepared(x, centroids).nearest_and_gaps(x)
    exact = np.sort(reference.squared_distances(x, centroids), axis=1)
    found = exact[:, 1] - exact[:, 0]
    assert (gaps <= found * (1 + 1e-12)).all()
    assert (gaps >= found - 1e-3 * exact[:, 1]).all()


def test_sums_have_the_bits_of_plain_products():
    x, w = correlated(), tile(np.random.default_rng(1).random(N))
    found = []
    for ready in (prepared(x, x[:K]), plain(x, x[:K])):
        sums, counts = np.zeros((K, D)), np.zeros(K)
        labels, d2, loss = ready.gather(x, w, sums, counts)
        found.append((labels.copy(), d2.copy(), loss, sums, counts))
    for one, other in zip(*found, strict=True):
        assert np.array_equal(one, other)


def test_a_row_gets_the_same_answer_wherever_it_stands_in_a_tile():
    x = correlated(1500)
    ready = prepared(x, x[:K])
    labels, d2 = ready.nearest(x)
    for start in (1, 127, 128, 300, 1400):
        moved, moved_d2 = ready.nearest(x[start:])
        assert np.array_equal(moved, labels[start:])
        assert np.array_equal(moved_d2, d2[start:])


def test_noise_has_bounds_that_exclude_nothing_and_the_same_labels():
    noise = tile(np.random.default_rng(0).standard_normal((2000, 128), np.float32))
    check(noise, noise[:200], prepared(noise, noise[:200]).nearest(noise)[0])


def n_directions(x, k):
    return Centroids(x[:k].astype(np.float64), np.float32).n_directions(x)


def test_bounds_are_chosen_for_correlated_rows_and_never_for_noise(monkeypatch):
    monkeypatch.undo()
    noise = np.random.default_rng(0).standard_normal((2000, 128), np.float32)
    assert n_directions(noise, 200) == 0
    assert n_directions(correlated(2000, 128), 200) > 0
    assert n_directions(correlated(2000, 128), 20) == 0  # so few are cheaper to compare plainly
    assert n_directions(correlated(500, 128), 200) == 0  # a trial would cost too much


def test_the_directions_do_not_depend_on_the_threads_of_blas():
    centroids = correlated(700, 192, noise=2.0).astype(np.float64)
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(Centroids(centroids, np.float32)._leading()._basis)
    assert np.array_equal(*found)


def test_more_directions_are_computed_only_where_the_first_leave_few_pairs(monkeypatch):
    monkeypatch.undo()
    rng = np.random.default_rng(0)

    def tried(spread):
        """Whether more directions were tried, and how many were chosen, for such a spectrum."""
        x = (rng.normal(size=(4000, 256)) * spread).astype(np.float32)
        ready = Centroids(x[:1500].astype(np.float64), np.float32)
        chosen = ready.n_directions(x[2000:])
        return ready._leading()._wider.known, chosen

    sizes = np.arange(1, 257)
    assert tried(np.exp(-sizes / 3.0)) == (False, 6)  # no other number can be cheaper
    assert tried(np.ones(256)) == (False, 0)
    assert tried(sizes**-0.65) == (True, 62)


def test_centroids_that_are_equal_or_few_or_on_a_line():
    x = correlated()
    line = np.linspace(-1, 1, K)[:, None] * x[0]
    check(x, line, Centroids(line, np.float32).nearest(x)[0])
    same = np.repeat(x[:1].astype(np.float64), K, axis=0)
    assert (Centroids(same, np.float32).nearest(x)[0] == 0).all()


def test_centroids_are_prepared_once_for_all_blocks_and_never_sent():
    question = Lloyd(correlated(K).astype(np.float64))
    nbytes = len(pickle.dumps(question))
    assert question.prepared("f4") is question.prepared(np.float32)
    assert question.prepared("f4") is not question.prepared("f8")
    assert len(pickle.dumps(question)) < nbytes + 100
