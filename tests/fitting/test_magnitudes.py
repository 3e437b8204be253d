"""Values whose squares float64 cannot represent are refused by name; others cluster alike."""

from __future__ import annotations

import numpy as np
import pytest

import streamkm
from streamkm.errors import DataError, NonFiniteError

X = np.random.default_rng(0).normal(size=(60, 3)) + np.repeat(np.eye(3) * 20, 20, axis=0)


def fit(x, **options):
    return streamkm.KMeans(3, init=X[::20] * (x[0, 0] / X[0, 0]), random_state=0, **options).fit(x)


@pytest.mark.parametrize("power", [-480, -300, 0, 300, 495])
def test_powers_of_two_change_no_label(power):
    one, other = fit(X), fit(X * 2.0**power)
    np.testing.assert_array_equal(one.labels_, other.labels_)
    scaled = one.cluster_centers_ * 2.0**power
    np.testing.assert_allclose(scaled, other.cluster_centers_, rtol=1e-14)


@pytest.mark.parametrize("scale", [None, "standard", "robust"])
@pytest.mark.parametrize("power", [-570, -1000])
def test_values_whose_squares_vanish_are_refused(power, scale):
    with pytest.raises(DataError, match=r"largest value is .*too small for float64: multiply"):
        fit(X * 2.0**power, scale=scale)


def test_values_whose_squares_overflow_are_not_called_nan():
    with pytest.raises(NonFiniteError, match="squares are too large for float64"):
        fit(X * 1e153)


def test_zeros_are_allowed():
    assert streamkm.KMeans(1, random_state=0).fit(np.zeros((9, 3))).inertia_ == 0


def test_rows_between_those_that_are_examined_show_that_not_all_values_are_tiny():
    x = np.full((5000, 2), 1e-150)
    x[3::1000] = [3.0, 4.0]  # every fifth row is examined
    found = streamkm.KMeans(2, random_state=0).fit(x)
    assert sorted(found.counts_) == [5, 4995]
