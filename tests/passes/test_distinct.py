"""The table has every distinct row once, with its weight, or is empty if there are too many."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from streamkm import KMeans
from streamkm.fitting import first_state, fit, iterate
from streamkm.kernels import distinct
from streamkm.passes import Distinct, Labels, LookedUp, Table
from streamkm.rows import Block, Room, open_rows
from streamkm.updates import AcceleratedUpdate, StopRules
from tests import reference


@given(
    hnp.arrays(
        np.int16, st.tuples(st.integers(1, 200), st.integers(1, 4)), elements=st.integers(-2, 2)
    )
)
def test_it_counts_what_numpy_counts(x):
    table = Distinct(1000)(Block.from_values(x))
    values, counts = np.unique(x, axis=0, return_counts=True)
    order = np.lexsort(table.values.T[::-1])
    assert np.array_equal(table.values[order], values)
    assert np.array_equal(table.weights[order], counts)


def test_rows_of_one_hash_have_an_order_of_their_own():
    """Replace the hash by a constant."""
    x = np.arange(60, dtype=np.float32).reshape(30, 2)
    same = np.zeros(30, np.uint64)
    table = distinct.RowTable(2, np.float32, 30)
    table.add(x, np.ones(30))
    table._hashes[:30] = same
    assert np.array_equal(np.sort(table.values[table.canonical()][:, 0]), x[:, 0])
    shuffled = distinct.RowTable(2, np.float32, 30)
    shuffled.add(x[::-1], np.ones(30))
    shuffled._hashes[:30] = same
    assert np.array_equal(table.values[table.canonical()], shuffled.values[shuffled.canonical()])


def test_a_table_that_grows_finds_every_row_where_it_was():
    x = np.arange(200, dtype=np.float32).reshape(100, 2)
    table = distinct.RowTable(2, np.float32, 100)
    assert (table.find(x) == -1).all()
    for n in range(1, 101):
        assert table.add(x[n - 1 : n], np.ones(1))
        assert np.array_equal(table.find(x[:n]), np.arange(n))


def test_minus_zero_is_zero_and_rows_without_weight_are_not_there():
    x = np.array([[0.0], [-0.0], [1.0], [2.0]])
    table = Distinct(9)(Block.from_values(x, np.array([1.0, 2, 0, 4])))
    assert dict(zip(table.values[:, 0].tolist(), table.weights.tolist(), strict=True)) == {
        0: 3,
        2: 4,
    }


@pytest.mark.parametrize("most", [11, 12, 13])
def test_the_cap_is_exact_whatever_the_chunks(most):
    x = np.tile(np.arange(12.0), 50)[:, None]
    for pieces in (1, 7, 50):
        parts = [Distinct(most)(Block.from_values(part)) for part in np.array_split(x, pieces)]
        assert Table.combine(parts).complete is (most >= 12)


def test_a_fit_of_few_distinct_rows_takes_one_read(pixels):
    km = KMeans(16, init="k-means++", n_init=7, random_state=0).fit(
        da.from_array(pixels, chunks=(9999, 3))
    )
    assert km.n_passes_ == 1
    assert km.inertia_ == pytest.approx(reference.inertia(pixels, km.cluster_centers_))


def test_the_table_gives_what_the_plain_path_gives(pixels):
    init = pixels[:: len(pixels) // 9][:9].astype(float)
    rows, rules = open_rows(pixels), StopRules(max_iter=40, tol=0)
    by_table, plain = (
        list(
            fit(rows, first_state(rows, 9, init, [0], AcceleratedUpdate(rules), room=Room(most, 0)))
        )
        for most in (10**6, 0)
    )
    assert [s.table is None for s in (by_table[-1], plain[-1])] == [False, True]
    assert len(by_table[-1].best.history) == len(plain[-1].best.history)
    np.testing.assert_allclose(by_table[-1].best.centroids, plain[-1].best.centroids, rtol=1e-12)
    np.testing.assert_allclose(
        [s.inertia for s in by_table[-1].best.history], [s.inertia for s in plain[-1].best.history]
    )


@pytest.mark.parametrize("init", ["auto", "k-means||", "k-means++", "random", "farthest"])
def test_a_row_twice_a_weight_of_two_and_any_order_are_the_same_bits(init, pixels):
    x = pixels[::37]
    want = KMeans(5, init=init, random_state=3).fit(np.repeat(x, 2, axis=0)).cluster_centers_
    twos = KMeans(5, init=init, random_state=3).fit(x, sample_weight=np.full(len(x), 2.0))
    turned = KMeans(5, init=init, random_state=3).fit(np.repeat(x, 2, axis=0)[::-1])
    assert twos.cluster_centers_.tobytes() == want.tobytes()
    assert turned.cluster_centers_.tobytes() == want.tobytes()


def test_looked_up_labels_are_the_nearest_centroids(pixels):
    centroids = pixels[[5, 500, 5000]].astype(float)
    table = Distinct(10**6)(Block.from_values(pixels[::2]))
    looked_up = LookedUp.from_table(table, Labels(centroids, np.dtype(np.uint8)))
    labels, counted = looked_up(
        Block.from_values(pixels)
    )  # half of the rows may not be in the table
    assert np.array_equal(labels, reference.labels(pixels, centroids))
    assert counted.rows == len(pixels)


def test_a_fit_goes_on_from_any_state_with_its_table(pixels):
    rows = open_rows(pixels)
    states = list(fit(rows, first_state(rows, 6, "auto", [0])))
    for state in states:
        *_, last = (state, *fit(rows, state))
        assert last.best.centroids.tobytes() == states[-1].best.centroids.tobytes()
        assert last.reads == states[-1].reads


def test_the_rows_are_not_read_again(pixels):
    rows = open_rows(pixels)
    first = next(fit(rows, first_state(rows, 6, "auto", [0])))
    gone = open_rows(np.zeros_like(pixels))
    assert iterate(gone, first).best.inertia == iterate(rows, first).best.inertia


def test_a_fit_looks_its_labels_up_where_that_is_quicker(monkeypatch):
    """Repeated rows and many clusters; the labels are those of the nearest centroid."""
    x = np.random.default_rng(0).integers(0, 9, (6000, 3)).astype(np.uint8)
    used = []
    made = LookedUp.from_table
    monkeypatch.setattr(LookedUp, "from_table", lambda *a: used.append(a) or made(*a))
    km = KMeans(100, random_state=0).fit(x)
    assert used
    assert np.array_equal(km.labels_, reference.labels(x, km.cluster_centers_))
