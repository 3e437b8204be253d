"""Mini-batch k-means as an estimator: quality, reads, partial fits and resumed fits."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import sklearn.cluster
import zarr
from sklearn.datasets import load_digits

import streamkm
from streamkm import KMeans, MiniBatchKMeans
from tests import reference
from tests.conftest import mixture

SETS = {
    "blobs": lambda: mixture(20_000, 6, 8, dtype=np.float64),
    "sorted": lambda: np.sort(mixture(20_000, 2, 8, dtype=np.float64), axis=0),
    "digits": lambda: load_digits().data,
}


@pytest.mark.parametrize("name", SETS)
def test_the_loss_is_near_that_of_lloyd_and_of_scikit_learn(name):
    x = SETS[name]()
    lloyd = KMeans(8, random_state=0).fit(x).inertia_
    for seed in range(2):
        found = MiniBatchKMeans(8, random_state=seed).fit(x)
        assert found.inertia_ == pytest.approx(reference.inertia(x, found.cluster_centers_))
        assert np.array_equal(found.labels_, reference.labels(x, found.cluster_centers_))
        assert found.inertia_ < 1.05 * lloyd
        theirs = sklearn.cluster.MiniBatchKMeans(8, random_state=seed).fit(x)
        assert found.inertia_ < 1.05 * theirs.inertia_


def test_a_store_is_read_in_parts(tmp_path, blobs, no_table):
    stored = zarr.create_array(tmp_path / "x", data=blobs, chunks=(250, 6))
    options = {"batch_size": 500, "init_size": 1000, "random_state": 0, "max_iter": 1}
    km = MiniBatchKMeans(8, **options, compute_labels=False).fit(stored)
    assert not hasattr(km, "labels_")
    assert (km.batch_size_, km.n_iter_) == (500, 1)
    assert 0.2 < km.n_passes_ <= 1.4
    assert km.bytes_read_ == km.n_passes_ * blobs.nbytes
    assert km.inertia_ == pytest.approx(-km.score(stored), rel=0.2)
    labelled = MiniBatchKMeans(8, **options).fit(stored)
    assert labelled.cluster_centers_.tobytes() == km.cluster_centers_.tobytes()
    assert labelled.n_passes_ == pytest.approx(km.n_passes_ + 1)  # the exact loss takes a read
    assert np.array_equal(labelled.labels_.compute(), labelled.predict(blobs))


def test_blocks_from_the_cache_do_not_count_as_read(tmp_path, blobs, no_table, monkeypatch):
    monkeypatch.setattr("streamkm.rows.memory.KEPT_SHARE", 1)
    stored = zarr.create_array(tmp_path / "x", data=blobs, chunks=(250, 6))
    options = {"batch_size": 500, "init_size": 1000, "random_state": 0, "max_no_improvement": 2}
    km = MiniBatchKMeans(8, **options, compute_labels=False).fit(stored)
    assert km.reads_["seeding"]["bytes"] == 1000 * 24
    assert km.bytes_read_ <= blobs.nbytes
    labelled = MiniBatchKMeans(8, **options).fit(stored)
    assert (labelled.n_passes_, labelled.bytes_read_) == (1, blobs.nbytes)


def test_a_store_and_a_dask_array_of_the_same_chunks_give_the_same_bits(tmp_path, no_table):
    """A batch has several chunks, which need not be neighbours."""
    x = np.sort(mixture(6000, 3, 6, seed=5, dtype=np.float64), axis=0)
    stored = zarr.create_array(tmp_path / "x", data=x, chunks=(250, 3))
    options = {"batch_size": 1000, "random_state": 0}
    found = MiniBatchKMeans(6, **options).fit(stored)
    lazy = MiniBatchKMeans(6, **options).fit(da.from_array(x, chunks=(250, 3)))
    assert found.cluster_centers_.tobytes() == lazy.cluster_centers_.tobytes()
    assert found.n_steps_ == lazy.n_steps_


def test_a_first_partial_fit_takes_its_step_under_any_time_limit(blobs):
    km = MiniBatchKMeans(5, time_limit=0, random_state=0).partial_fit(blobs)
    assert km.n_steps_ == 1


def test_partial_fits_are_steps_of_the_oracle(blobs):
    x = blobs.astype(np.float64)
    batches = [np.arange(first, first + 500) for first in range(0, 5000, 500)]
    km = MiniBatchKMeans(6, init=x[:6] + 0.01, reassignment_ratio=0)
    expected = reference.mini_batches(x, x[:6] + 0.01, batches)
    for number, (rows, step) in enumerate(zip(batches, expected, strict=True), 1):
        km.partial_fit(x[rows])
        np.testing.assert_allclose(km.cluster_centers_, step[0], rtol=1e-11, atol=1e-11)
        assert km.n_steps_ == number
        assert np.array_equal(km.labels_, reference.labels(x[rows], step[0]))
        assert km.inertia_ == pytest.approx(reference.inertia(x[rows], step[0]))


def test_partial_fits_take_lazy_batches_and_continue_a_fit(blobs):
    one = MiniBatchKMeans(5, random_state=0).fit(blobs)
    other = MiniBatchKMeans(5, random_state=0).fit(blobs)
    steps = one.n_steps_
    one.partial_fit(blobs[:1000])
    other.partial_fit(da.from_array(blobs[:1000], chunks=(1000, 6)))
    assert one.n_steps_ == other.n_steps_ == steps + 1
    np.testing.assert_allclose(one.cluster_centers_, other.cluster_centers_, rtol=1e-12)
    assert np.array_equal(one.labels_, other.labels_.compute())


@pytest.mark.parametrize("lazy", [False, True])
def test_labels_of_a_first_batch_of_many_rows_are_predictions(blobs, lazy):
    x, mask = blobs[:3000], np.arange(3000) % 3 > 0
    data = da.from_array(x, chunks=(700, 6)) if lazy else x
    km = MiniBatchKMeans(5, batch_size=1000, random_state=0).partial_fit(data, mask=mask)
    expected = np.where(mask, km.predict(x), -1)
    found = np.asarray(km.labels_).astype(np.int64)
    assert np.array_equal(np.where(mask, found, -1), expected)
    assert (found[~mask] == (255 if lazy else -1)).all()
    assert km.inertia_ == pytest.approx(-km.score(x, mask=mask))


@pytest.mark.parametrize("compute_labels", [False, True])
def test_partial_fit_after_load_is_that_of_the_saved_model(tmp_path, blobs, compute_labels):
    km = MiniBatchKMeans(5, tol=0.1, compute_labels=compute_labels, random_state=3).fit(blobs)
    for rows in (blobs[:700], blobs[700:800], blobs[800:1300]):
        km.save(tmp_path / "model", overwrite=True)
        loaded = streamkm.load(tmp_path / "model")
        assert isinstance(loaded, MiniBatchKMeans)
        assert loaded.get_params() == km.get_params()
        facts = ("n_steps_", "n_iter_", "batch_size_", "init_size_", "stop_reason_", "reads_")
        assert [getattr(loaded, name) for name in facts] == [getattr(km, name) for name in facts]
        km.partial_fit(rows)
        loaded.partial_fit(rows)
        assert loaded.cluster_centers_.tobytes() == km.cluster_centers_.tobytes()
        assert loaded.n_steps_ == km.n_steps_


def test_a_model_of_partial_fits_can_be_loaded(tmp_path, blobs):
    km = MiniBatchKMeans(5, random_state=0).partial_fit(blobs[:500])
    km.save(tmp_path / "model")
    loaded = streamkm.load(tmp_path / "model")
    assert loaded.inertia_ == km.inertia_
    loaded.partial_fit(blobs[500:900])
    km.partial_fit(blobs[500:900])
    assert loaded.cluster_centers_.tobytes() == km.cluster_centers_.tobytes()


def test_a_small_init_size_is_warned_of_once(blobs):
    km = MiniBatchKMeans(3, init=lambda x, k, random_state: x[:k], init_size=1)
    with pytest.warns(RuntimeWarning, match="init_size=1") as found:
        km.fit(blobs)
    assert len(found) == 1


def test_a_failed_partial_fit_leaves_the_model(blobs):
    km = MiniBatchKMeans(4, random_state=0).partial_fit(blobs[:500])
    before = km.cluster_centers_.tobytes()
    spoilt = blobs[:100].copy()
    spoilt[7] = np.nan
    with pytest.raises(ValueError, match="row 7"):
        km.partial_fit(spoilt)
    assert (km.cluster_centers_.tobytes(), km.n_steps_) == (before, 1)


def test_the_same_fit_resumes_from_its_checkpoint(tmp_path, blobs):
    options = {"random_state": 0, "batch_size": 250, "max_no_improvement": None}
    where = {"checkpoint": tmp_path / "ckpt", "checkpoint_every": 0}
    whole = MiniBatchKMeans(5, max_iter=4, **options).fit(blobs)
    MiniBatchKMeans(5, max_iter=1, **options, **where).fit(blobs)
    resumed = MiniBatchKMeans(5, max_iter=4, **options, **where).fit(blobs)
    assert resumed.cluster_centers_.tobytes() == whole.cluster_centers_.tobytes()
    assert (resumed.inertia_, resumed.n_steps_) == (whole.inertia_, 4 * 20)
    assert np.array_equal(resumed.labels_, whole.labels_)


@pytest.mark.parametrize("before", [1, None])
def test_a_resumed_fit_may_change_max_no_improvement(tmp_path, blobs, before):
    options = {"random_state": 0, "batch_size": 250, "max_iter": 3}
    where = {"checkpoint": tmp_path / "ckpt", "checkpoint_every": 0}
    MiniBatchKMeans(5, max_no_improvement=before, **options, **where).fit(blobs)
    whole = MiniBatchKMeans(5, max_no_improvement=1000, **options).fit(blobs)
    resumed = MiniBatchKMeans(5, max_no_improvement=1000, **options, **where).fit(blobs)
    assert resumed.cluster_centers_.tobytes() == whole.cluster_centers_.tobytes()
    assert (resumed.n_steps_, resumed.inertia_) == (60, whole.inertia_)


@pytest.mark.parametrize("max_iter", [1, 2])
@pytest.mark.parametrize("labels", [False, True])
def test_a_resumed_fit_may_change_compute_labels(tmp_path, blobs, labels, max_iter):
    """This includes resuming without further batches."""
    options = {"random_state": 0, "max_no_improvement": None}
    where = {"checkpoint": tmp_path / "ckpt", "checkpoint_every": 0}
    MiniBatchKMeans(5, compute_labels=not labels, max_iter=1, **options, **where).fit(blobs)
    options |= {"compute_labels": labels, "max_iter": max_iter}
    resumed = MiniBatchKMeans(5, **options, **where).fit(blobs)
    whole = MiniBatchKMeans(5, **options).fit(blobs)
    assert resumed.cluster_centers_.tobytes() == whole.cluster_centers_.tobytes()
    assert hasattr(resumed, "labels_") == labels
    assert resumed.inertia_ == whole.inertia_
    if labels:
        assert np.array_equal(resumed.labels_, whole.labels_)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": None}, "batch_size"),
        ({"max_no_improvement": -1}, "max_no_improvement"),
        ({"reassignment_ratio": -0.1}, "reassignment_ratio"),
        ({"init_size": 0}, "init_size"),
    ],
)
def test_bad_parameters_are_refused(blobs, parameters, message):
    with pytest.raises((TypeError, ValueError), match=message):
        MiniBatchKMeans(3, **parameters).fit(blobs)
    with pytest.raises((TypeError, ValueError), match=message):
        MiniBatchKMeans(3, **parameters).partial_fit(blobs)
