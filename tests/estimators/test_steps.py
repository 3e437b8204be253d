"""`streamkm.iterate` yields the iterations of `KMeans`, one by one."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from itertools import pairwise

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr

import streamkm
import streamkm.rows.memory
from tests.reference import squared_distances

X = np.random.default_rng(3).normal(size=(3000, 3))  # without clusters, so that steps are many
START = X[:5].copy()
PIXELS = (np.abs(X[:, :2]) % 16).astype(np.uint8)


def as_is(x, _):
    return x


def as_dask(x, _):
    return da.from_array(x, chunks=(250, -1))


def as_store(x, folder):
    path = folder / "x.zarr"
    zarr.create_array(path, data=x, chunks=(250, x.shape[1]))
    return path


KINDS = [as_is, as_dask, as_store]


@pytest.fixture
def little_memory(no_table, monkeypatch):
    """Room for 333 boundary rows, so that a read serves some of the iterations."""
    monkeypatch.setattr(streamkm.rows.memory, "SAMPLE_NBYTES", 20_000)


def assert_steps_of(km, steps):
    """The steps have the bits of a fit."""
    last = steps[-1]
    assert [step.iteration for step in steps] == list(range(km.n_iter_ + 1))
    assert np.array_equal(last.centroids, km.cluster_centers_)
    assert np.array_equal(last.counts, km.counts_)
    assert last.inertia == km.inertia_
    assert [step.inertia for step in steps[:-1]] == km.history_["inertia"].tolist()
    assert [step.shift for step in steps[1:]] == km.history_["shift"].tolist()
    assert [step.stop_reason for step in steps] == [None] * km.n_iter_ + [km.stop_reason_]


@pytest.mark.parametrize("init", ["random", "coreset", START], ids=["random", "coreset", "given"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("memory", ["plenty", "little"])
def test_the_steps_are_those_of_a_fit_bit_by_bit(kind, init, memory, tmp_path, request):
    if memory == "little":
        request.getfixturevalue("little_memory")
    data = kind(X, tmp_path)
    given = {"init": init, "random_state": 4, "tol": 0}
    steps = list(streamkm.iterate(data, 5, **given))
    assert len(steps) > 2
    km = streamkm.KMeans(5, n_init=1, algorithm="lloyd", **given).fit(data)
    assert_steps_of(km, steps)
    some_read = 0 < km.history_["read"].mean() < 1
    assert some_read == (memory == "little" and kind is not as_is)


@pytest.mark.parametrize(
    ("data", "given"),
    [
        (PIXELS, {}),
        (X + 1e9, {}),
        (X, {"max_iter": 2}),
        (X, {"tol": 1e-2}),
        (X, {"init": np.concatenate([START[:4], START[:1] + 1e3])}),
        (X, {"init": np.concatenate([START[:4], START[:1] + 1e3]), "empty_cluster": "keep"}),
    ],
    ids=["repeated rows", "far from zero", "max_iter", "tol", "empty cluster", "kept empty"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_steps_stop_and_start_as_a_fit_does(data, given):
    given = {"init": "random", "random_state": 1} | given
    steps = list(streamkm.iterate(data, 5, **given))
    assert_steps_of(streamkm.KMeans(5, n_init=1, algorithm="lloyd", **given).fit(data), steps)


def test_weights_masks_and_feature_dimensions_are_those_of_a_fit():
    scene = xr.DataArray(X[:600].reshape(20, 30, 3).transpose(2, 0, 1), dims=("band", "y", "x"))
    beside = {"sample_weight": scene[0] * 0 + 2.0, "mask": scene[0] > scene[0].min()}
    given = {"init": "random", "random_state": 0, "feature_dim": "band"}
    *_, last = streamkm.iterate(scene, 3, **given, **beside)
    km = streamkm.KMeans(3, n_init=1, algorithm="lloyd", **given).fit(scene, **beside)
    assert np.array_equal(last.centroids, km.cluster_centers_)
    assert last.counts.sum() == 2 * (20 * 30 - 1)
    xr.testing.assert_identical(last.labels(scene, beside["mask"]), km.labels_)


@pytest.mark.parametrize("kind", KINDS)
def test_each_step_says_what_its_centroids_make_of_the_data(kind, tmp_path, little_memory):
    data, before = kind(X, tmp_path), None
    for step in streamkm.iterate(data, 5, init=START, tol=0):
        apart = squared_distances(X, step.centroids)
        assert np.array_equal(np.asarray(step.labels(data)), apart.argmin(axis=1))
        assert np.array_equal(step.counts, np.bincount(apart.argmin(axis=1), minlength=5))
        assert step.inertia == pytest.approx(apart.min(axis=1).sum(), rel=1e-9)
        if before is None:
            assert np.array_equal(step.centroids, START)
            assert np.isnan(step.shift)
        else:
            moved = np.square(step.centroids - before.centroids).sum()
            assert step.shift == pytest.approx(moved, rel=1e-6, abs=1e-12)
        before = step


def test_leaving_the_loop_saves_the_remaining_reads(little_memory):
    reads = 0

    def counted(block):
        nonlocal reads
        reads += 1
        return block

    data = da.from_array(X, chunks=(-1, -1)).map_blocks(counted, meta=X[:0])
    steps = streamkm.iterate(data, 5, init=START, tol=0)
    assert reads == 0
    next(steps)
    assert reads == 1
    steps.close()
    assert reads == 1
    *_, _ = streamkm.iterate(data, 5, init=START, tol=0)
    assert reads > 5


def test_a_step_cannot_be_changed():
    step = next(streamkm.iterate(X, 5, init=START))
    with pytest.raises(FrozenInstanceError):
        step.iteration = 3
    with pytest.raises(ValueError, match="read-only"):
        step.centroids[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        step.counts[0] = 0


def test_mistakes_are_reported_before_the_first_step():
    with pytest.raises(streamkm.errors.DataError, match="n_samples=2 should be >= n_clusters=5"):
        streamkm.iterate(X[:2], 5)
    with pytest.raises(ValueError, match="max_iter"):
        streamkm.iterate(X, 5, max_iter=0)


def test_moves_are_the_distances_from_the_step_before():
    steps = list(streamkm.iterate(X[:400], 5, init=START, tol=0))
    assert steps[0].previous is None
    assert np.isnan(steps[0].moves).all()
    for before, after in pairwise(steps):
        assert after.previous is before.centroids
        moved = np.square(after.centroids - before.centroids).sum(axis=1)
        np.testing.assert_allclose(after.moves**2, moved)
        assert after.moves @ after.moves == pytest.approx(after.shift, rel=1e-6, abs=1e-12)
    assert not steps[-1].moves.any()


def test_a_step_is_shown_in_a_line_and_as_a_table():
    table = pd.DataFrame(X[:50], columns=["<a>", "b", "c"])
    *_, last = streamkm.iterate(table, 2, init=START[:2], max_iter=1)
    line = f"<LloydStep 1: 2 clusters, 3 features, inertia {last.inertia:.6g}, stopped by max_iter>"
    assert repr(last) == line
    page = last._repr_html_()
    for text in ("&lt;a&gt;", f"<bdi>{last.moves[1]:.4g}</bdi>", f"<bdi>{last.counts[0]:g}</bdi>"):
        assert text in page
