"""Pictures of stability show the indices of all pairs, and how often rows are put together."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import xarray as xr

import streamkm
from streamkm.errors import DataError


@pytest.fixture(scope="module")
def found(blobs):
    return streamkm.stability(blobs[:400], [2, 5], n_init=3, init="random", rows=60)


def test_every_pair_of_fits_is_a_point_and_mean_and_least_are_lines(found):
    ax = streamkm.plot.stability(found)
    points, mean, least = ax.lines[:3]
    want = [
        (k, float(found["adjusted_rand"].sel(n_clusters=k)[a, b]))
        for k in (2, 5)
        for a, b in combinations(range(3), 2)
    ]
    assert list(zip(points.get_xdata(), points.get_ydata(), strict=True)) == want
    assert np.array_equal(mean.get_ydata(), found["mean"])
    assert np.array_equal(least.get_ydata(), found["least"])
    assert [text.get_text() for text in ax.texts] == ["excellent", "good", "moderate"]
    assert ax.get_ylim()[0] <= found["least"].min()


def test_rows_are_drawn_with_the_share_of_fits_that_put_them_together(found):
    ax = streamkm.plot.coassignment(found, 5, rows=40)
    drawn = np.asarray(ax.images[0].get_array())
    own = found.sel(n_clusters=5)
    labels = own["labels"].values[:, :40]
    best = labels[own["distortion"].values.argmin()]
    together = np.mean([row[:, None] == row for row in labels], axis=0)
    assert drawn.shape == (40, 40)
    assert sorted(drawn.sum(axis=0)) == pytest.approx(sorted(together.sum(axis=0)))
    edges = np.cumsum(np.bincount(best))
    assert drawn[: edges[0], : edges[0]].sum() == pytest.approx(
        together[best == 0][:, best == 0].sum()
    )
    assert ax.get_title() == f"k=5, 3 fits: mean adjusted Rand index {float(own['mean']):.2f}"


def test_stable_clusters_are_squares():
    x = np.repeat([[0.0], [50], [90]], 20, axis=0)
    ax = streamkm.plot.coassignment(streamkm.stability(x, 3, n_init=3))
    squares = np.kron(np.eye(3), np.ones((20, 20)))
    assert np.array_equal(ax.images[0].get_array(), squares)


def test_what_is_not_there_is_named(found):
    with pytest.raises(DataError, match=r"name one of the values of k, which are \[2, 5\]"):
        streamkm.plot.coassignment(found)
    with pytest.raises(DataError, match=r"n_clusters=3: the values of k are \[2, 5\]"):
        streamkm.plot.coassignment(found, 3)
    for draw in (streamkm.plot.stability, streamkm.plot.coassignment):
        with pytest.raises(DataError, match="result of streamkm.stability"):
            draw(xr.Dataset())
