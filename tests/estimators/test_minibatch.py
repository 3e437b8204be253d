"""Mini-batch k-means as an estimator: quality, reads, partial fits and resumed fits."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import sklearn.cluster
import zarr
from sklearn.datasets import load_digits

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


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"max_no_improvement": -1}, "max_no_improvement"),
        ({"reassignment_ratio": -0.1}, "reassignment_ratio"),
        ({"init_size": 0}, "init_size"),
    ],
)
def test_bad_parameters_are_refused(blobs, parameters, message):
    with pytest.raises(ValueError, match=message):
        MiniBatchKMeans(3, **parameters).fit(blobs)
