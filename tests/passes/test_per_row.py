from __future__ import annotations

import numpy as np
import pytest

from streamkm.errors import NonFiniteError
from streamkm.passes import Distances, Labels, label_dtype
from streamkm.rows import Block
from tests import reference


def test_labels_come_with_the_statistic(blobs):
    centroids = blobs[:4].astype(np.float64)
    labels, assigned = Labels(centroids, np.dtype("u1"))(Block.from_values(blobs))
    assert labels.dtype == np.uint8
    assert np.array_equal(labels, reference.labels(blobs, centroids))
    assert assigned.inertia(centroids) == pytest.approx(reference.inertia(blobs, centroids))


def test_distances(blobs):
    centroids = blobs[:4].astype(np.float64)
    got, census = Distances(centroids, np.dtype("f4"))(Block.from_values(blobs))
    want = np.sqrt(reference.squared_distances(blobs, centroids))
    np.testing.assert_allclose(got, want, rtol=1e-6)
    assert (got.dtype, census.rows) == (np.float32, 5000)


@pytest.mark.parametrize("question", [Labels, Distances])
def test_a_row_without_an_answer_is_named(question, blobs):
    spoilt = blobs.copy()
    spoilt[4000, 1] = np.nan
    with pytest.raises(NonFiniteError, match="row 4000"):
        question(blobs[:4].astype(np.float64), np.dtype("f4"))(Block.from_values(spoilt))


@pytest.mark.parametrize(
    ("k", "name"), [(1, "u1"), (256, "u1"), (257, "u2"), (65536, "u2"), (65537, "u4")]
)
def test_labels_take_the_smallest_dtype(k, name):
    assert label_dtype(k) == np.dtype(name)
