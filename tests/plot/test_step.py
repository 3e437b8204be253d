"""A step of Lloyd's algorithm is drawn with the moves of its centroids."""

from __future__ import annotations

import numpy as np
import pytest

import streamkm
from streamkm.errors import DataError

X = np.random.default_rng(3).normal(size=(300, 2))
START = X[:3]


def arrows(ax):
    """Where the arrows begin and end (m, 2, 2)."""
    found = [text for text in ax.texts if getattr(text, "arrow_patch", None) is not None]
    return np.array([(text.get_position(), text.xy) for text in found])


def test_an_arrow_leads_to_each_centroid_from_where_it_was():
    steps = list(streamkm.iterate(X, 3, init=START, tol=0))
    first, second, last = steps[0], steps[1], steps[-1]
    ax = streamkm.plot.step(first, X)
    assert ax.get_title() == f"step 0: inertia {first.inertia:.6g}"
    assert arrows(ax).size == 0
    np.testing.assert_allclose(ax.lines[0].get_xydata(), START)
    ax = streamkm.plot.step(second, X)
    np.testing.assert_allclose(arrows(ax)[:, 0], START)
    np.testing.assert_allclose(arrows(ax)[:, 1], second.centroids)
    ax = streamkm.plot.step(last, X)
    assert ", the last" in ax.get_title()
    assert arrows(ax).size == 0  # nothing moved


@pytest.mark.parametrize("d", [1, 4])
def test_steps_have_the_same_axes(d):
    x = np.random.default_rng(0).normal(size=(200, d)) + 2.0**30
    steps = list(streamkm.iterate(x, 3, init=x[:3], tol=0, max_iter=3))
    drawn = [streamkm.plot.step(step, x) for step in steps]
    for number in (1, 2):
        moved = steps[number].moves > 0
        assert moved.any()
        before, after = drawn[number - 1 : number + 1]
        assert before.get_xlabel() == after.get_xlabel()
        came_from = before.lines[0].get_xydata()[moved]
        np.testing.assert_allclose(arrows(after)[:, 0], came_from, atol=1e-6)


def test_a_model_is_no_step():
    with pytest.raises(DataError, match=r"plot\.clusters draws models"):
        streamkm.plot.step(streamkm.KMeans.from_centroids(START), X)
