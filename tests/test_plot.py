"""Pictures: what is drawn is what was found."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
import zarr

import streamkm
from streamkm.errors import DataError
from tests.cli.test_cli import run

mpl.use("agg")


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_the_loss_of_every_iteration_and_the_last(blobs):
    km = streamkm.KMeans(5, init="random", n_init=1, random_state=0).fit(blobs)
    drawn = streamkm.plot.loss(km).lines[0].get_ydata()
    assert drawn.tolist() == [*km.history_["inertia"], km.inertia_]
    ax = plt.figure().add_subplot()
    assert streamkm.plot.loss(km, ax) is ax


def test_the_elbow_with_both_losses_and_a_mark_where_it_is_clear():
    x = np.repeat([[0.0, 0], [90, 0], [0, 90]], 50, axis=0)
    x = x + np.random.default_rng(0).normal(size=x.shape)
    found = streamkm.sweep(x, range(1, 7), n_init=3, validation=x[::2])
    ax = streamkm.plot.elbow(found)
    lines = {line.get_label(): line for line in ax.lines}
    assert np.array_equal(lines["train (mean)"].get_ydata(), found["train_mean"])
    assert np.array_equal(lines["validation (mean)"].get_ydata(), found["validation_mean"])
    assert [list(line.get_xdata()) for line in ax.lines if len(line.get_xdata()) == 2] == [[3, 3]]
    assert ax.get_title() == found.attrs["verdict"]


def test_one_restart_has_no_spread_to_draw(blobs):
    ax = streamkm.plot.elbow(streamkm.sweep(blobs, range(1, 4)))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["train"]
    assert not ax.collections


def test_other_datasets_are_refused():
    with pytest.raises(DataError, match="give what streamkm.sweep returned"):
        streamkm.plot.elbow(xr.Dataset())


@pytest.mark.parametrize("d", [1, 2, 5])
def test_clusters_of_a_sample(d):
    x = np.random.default_rng(0).normal(size=(300, d))
    km = streamkm.KMeans(3, random_state=0).fit(x)
    ax = streamkm.plot.clusters(km, x, rows=100)
    points, crosses = (c.get_offsets() for c in ax.collections)
    assert (len(points), len(crosses)) == (100, 3)
    assert ("principal" in ax.get_xlabel()) == (d > 2)


@pytest.mark.parametrize("by", ["estimator", "model", "command line"])
def test_clusters_have_the_colours_of_scaled_rows(by, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(800, 2)) * [100, 0.1] + rng.integers(2, size=(800, 1)) * [0, 3]
    model = streamkm.KMeans(2, scale="standard", random_state=0).fit(x)
    if by == "model":
        model.save(tmp_path / "m")
        model = streamkm.load_model(tmp_path / "m")
    if by == "command line":
        zarr.create_array(tmp_path / "x", data=x.reshape(40, 20, 2), dimension_names=list("yxb"))
        scale = ["--scale", "standard", "--feature-dim", "b"]
        run("fit", tmp_path / "x", "-k", 2, "-o", tmp_path / "m", *scale)
        model = streamkm.load_model(tmp_path / "m")
        x = str(tmp_path / "x")
        again = streamkm.load(tmp_path / "m")
        assert again.predict(x).shape == (40, 20)
    drawn = streamkm.plot.clusters(model, x).collections[0]
    colours = drawn.get_array()
    high = drawn.get_offsets()[:, 1] > 1.5
    assert len(set(colours[high])) == len(set(colours[~high])) == 1
