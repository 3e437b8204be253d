"""The elbow plot shows the values of the sweep."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import streamkm
from streamkm.errors import DataError
from tests.plot.conftest import legend_of

ALL = {
    "silhouette": "silhouette",
    "calinski_harabasz": "Calinski-Harabasz index",
    "davies_bouldin": "Davies-Bouldin index",
}


@pytest.fixture(scope="module")
def found():
    """A sweep of three clear clusters, with validation."""
    x = np.repeat([[0.0, 0], [90, 0], [0, 90]], 50, axis=0)
    x = x + np.random.default_rng(0).normal(size=x.shape)
    return streamkm.sweep(x, range(1, 7), n_init=3, validation=x[::2])


def marks(ax):
    """Places of vertical lines."""
    return [
        line.get_xdata()[0]
        for line in ax.lines
        if line.get_linestyle() == ":" and len(line.get_xdata()) == 2
    ]


def test_the_elbow_with_both_losses_and_a_mark_where_it_is_clear(found):
    ax = streamkm.plot.elbow(found)
    lines = {line.get_label(): line for line in ax.lines}
    assert np.array_equal(lines["train (mean)"].get_ydata(), found["train_mean"])
    assert np.array_equal(lines["validation (mean)"].get_ydata(), found["validation_mean"])
    assert lines["train (mean)"].get_marker() != lines["validation (mean)"].get_marker()
    assert marks(ax) == [3]
    assert ax.get_title() == found.attrs["verdict"]


def test_one_restart_has_no_spread_to_draw(blobs):
    ax = streamkm.plot.elbow(streamkm.sweep(blobs, range(1, 4)))
    assert legend_of(ax) == ["train"]
    assert not ax.collections


@pytest.mark.parametrize("scores", [None, (), "davies_bouldin", list(ALL)])
def test_each_score_has_a_panel_below_with_its_full_name_and_best_k(scores, found):
    ax = streamkm.plot.elbow(found, scores=scores)
    names = ["silhouette"] if scores is None else [scores] if isinstance(scores, str) else scores
    panels = ax.figure.axes[1:]
    assert [panel.get_label() for panel in panels] == [ALL[name] for name in names]
    for name, panel in zip(names, panels, strict=True):
        assert np.array_equal(panel.lines[0].get_ydata(), found[name], equal_nan=True)
        side = "lowest" if name == "davies_bouldin" else "highest"
        assert panel.get_title(loc="left") == f"{ALL[name]}, {side} at k=3"
        assert panel.lines[1].get_xdata().tolist() == [3]
        assert panel.get_shared_x_axes().joined(ax, panel)
        assert marks(panel) == [3]
    labelled = [each for each in (ax, *panels) if each.xaxis.label.get_visible()]
    assert labelled == [(ax, *panels)[-1]]
    assert ax.get_xlabel() == "number of clusters k"
    assert plt.gca() is ax


@pytest.mark.parametrize("how", ["grid", "free"])
def test_given_axes_keep_the_upper_part_of_their_place(how, found):
    figure = plt.figure()
    ax = figure.subplots(2, 2)[0, 1] if how == "grid" else figure.add_axes((0.5, 0.5, 0.3, 0.4))
    before, others = ax.get_position(), len(figure.axes)
    assert streamkm.plot.elbow(found, ax) is ax
    (panel,) = figure.axes[others:]
    assert panel.get_position().y0 == pytest.approx(before.y0)
    assert ax.get_position().y1 == pytest.approx(before.y1)
    assert ax.get_position().y0 > panel.get_position().y1
    assert panel.get_position().width == pytest.approx(before.width)


def test_a_sweep_without_silhouettes_has_no_panel_unless_it_is_requested(blobs):
    found = streamkm.sweep(blobs, [1, 2, 3], silhouette_rows=0)
    assert len(streamkm.plot.elbow(found).figure.axes) == 1
    with pytest.raises(DataError, match="silhouette_rows above 0"):
        streamkm.plot.elbow(found, scores=["silhouette"])
    with pytest.raises(DataError, match="'gap' is not one of silhouette"):
        streamkm.plot.elbow(found, scores=["gap"])


def test_other_datasets_are_refused():
    with pytest.raises(DataError, match="give the result of streamkm.sweep"):
        streamkm.plot.elbow(xr.Dataset())


@pytest.mark.parametrize("scale", [None, "standard"])
def test_distortions_of_scaled_features_are_named_so(scale, blobs):
    ax = streamkm.plot.elbow(streamkm.sweep(blobs, [1, 2, 3], scale=scale))
    assert ("scaled features" in ax.get_ylabel()) == (scale is not None)
