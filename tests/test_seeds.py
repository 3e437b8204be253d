"""The worked examples of the texts that this project started from."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.preprocessing import scale

from streamkm import KMeans
from streamkm.fitting import first_state, fit
from streamkm.passes import Labels, Lloyd
from streamkm.rows import Block, open_rows
from streamkm.updates import AcceleratedUpdate, StopRules

X = np.arange(20).reshape(5, 4)
CENTRES = np.array([[3.0, 4, 5, 6], [7, 8, 9, 10]])


def test_the_assignment_associates_rows():
    labels, assigned = Labels(CENTRES, np.dtype(np.int32))(Block.from_values(X))
    assert labels.tolist() == [0, 0, 1, 1, 1]
    assert assigned.inertia(CENTRES) == 468


def test_the_assignment_updates_centres():
    labels = np.array([0, 1, 1, 0, 0])
    # Centroids that give exactly these labels, by a feature that distinguishes the rows.
    marked = np.concatenate([X, 1000 * labels[:, None]], axis=1)
    centroids = np.zeros((2, 5))
    centroids[1, 4] = 1000
    means = Lloyd(centroids)(Block.from_values(marked)).means(centroids)
    np.testing.assert_allclose(means[0, :4], [28 / 3, 31 / 3, 34 / 3, 37 / 3])
    np.testing.assert_allclose(means[1, :4], [6, 7, 8, 9])


def test_one_cluster_of_the_digits_has_one_loss():
    data = scale(load_digits(n_class=2).data)
    train, validation = data[:288], data[288:]
    for rows in (train, da.from_array(train, chunks=(50, 64))):
        km = KMeans(1, random_state=0).fit(rows)
        assert km.inertia_ == pytest.approx(15_343.135, abs=1e-3)
        assert -km.score(validation) == pytest.approx(3_395.669, abs=1e-3)


@pytest.mark.parametrize(("k", "train_loss"), [(2, 11_235), (3, 9_774), (4, 9_193)])
def test_twenty_random_restarts_of_the_digits(k, train_loss):
    data = scale(load_digits(n_class=2).data)[:288]
    rows = open_rows(data)
    state = first_state(
        rows,
        k,
        "random",
        range(20),
        AcceleratedUpdate(StopRules(max_iter=50, tol=0, loss_tol=1e-5)),
    )
    *_, last = fit(rows, state)
    assert np.mean([t.inertia for t in last.trajectories]) == pytest.approx(train_loss, rel=0.05)
