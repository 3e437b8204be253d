"""Plots show the values of the fits."""

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
    with pytest.raises(DataError, match="give the result of streamkm.sweep"):
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


@pytest.fixture
def chart():
    """Labels of a scene with nodata in a corner."""
    values = np.repeat([[0.0, 10, 20]], 8, axis=0).repeat(4, axis=1)[..., None]
    scene = xr.DataArray(
        values, dims=("y", "x", "band"), coords={"y": np.arange(8.0)[::-1], "x": np.arange(12.0)}
    )
    scene[:3, :2] = np.nan
    return streamkm.KMeans(3, feature_dim="band", random_state=0).fit(scene).labels_


def drawn_in(ax):
    """Displayed colours (y, x, 4) of the cells of the only mesh."""
    (mesh,) = ax.collections
    shape = mesh.get_array().shape
    return mesh.to_rgba(mesh.get_array()).reshape(*shape, 4), mesh


@pytest.mark.parametrize("how", ["as fitted", "lazy", "decoded by xarray", "path"])
def test_a_map_of_labels_shows_nodata_as_nothing(how, chart, tmp_path):
    given = chart
    if how == "lazy":
        given = chart.chunk(y=5)
    if how in ("decoded by xarray", "path"):
        chart.to_zarr(tmp_path / "l", zarr_format=3, consolidated=False)
        given = xr.open_zarr(tmp_path / "l", consolidated=False)["labels"]
        assert given.dtype.kind == "f"
    if how == "path":
        given = tmp_path / "l"
    colours, mesh = drawn_in(streamkm.plot.labels(given))
    nodata = chart.values == 255
    assert nodata.sum() == 6
    assert (colours[nodata][:, 3] == 0).all()
    assert (colours[~nodata][:, 3] == 1).all()
    # As many colours and legend entries as clusters.
    assert len(np.unique(colours[~nodata], axis=0)) == 3
    for label in range(3):
        assert len(np.unique(colours[chart.values == label], axis=0)) == 1
    ticks = [text.get_text() for text in mesh.colorbar.ax.get_yticklabels()]
    assert ticks == ["cluster_0", "cluster_1", "cluster_2"]


def test_what_xarray_draws_after_decode_cf_has_no_fill(chart):
    shown = xr.decode_cf(chart.to_dataset())["labels"]
    assert np.nanmax(shown.plot().get_array().filled(np.nan)) == 2
    assert chart.dtype == np.uint8


def test_a_map_without_nodata_without_coordinates_and_with_one_cluster(chart):
    bare = chart.drop_vars(["x", "y"])[:, 4:8]
    del bare.attrs["_FillValue"]
    colours, _ = drawn_in(streamkm.plot.labels(bare))
    assert (colours[..., 3] == 1).all()
    assert len(np.unique(colours.reshape(-1, 4), axis=0)) == 1
    ax = plt.figure().add_subplot()
    assert streamkm.plot.labels(chart[:3, :2], ax) is ax  # only nodata


def test_a_large_map_is_drawn_from_a_part_of_its_rows():
    labels = xr.DataArray(np.zeros((9000, 30), np.uint8), dims=("y", "x"))
    colours, _ = drawn_in(streamkm.plot.labels(labels))
    assert colours.shape[0] < 2000
    assert colours.shape[1] == 30


def test_what_is_no_map_is_refused(chart):
    for wrong, words in (
        (chart.expand_dims(time=2), "select two"),
        (chart.values, "DataArray"),
        (chart.astype("U3"), "labels"),
    ):
        with pytest.raises(DataError, match=words):
            streamkm.plot.labels(wrong)
    assert streamkm.plot.labels(chart.expand_dims("time")) is not None
