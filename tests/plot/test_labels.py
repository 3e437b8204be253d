"""Maps show labels with names and shares, and nodata as nodata."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
import zarr
from matplotlib.patches import Rectangle

import streamkm
from streamkm.errors import DataError
from tests.cli.test_cli import run
from tests.plot.conftest import legend_of


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
    return mesh.to_rgba(mesh.get_array()).reshape(*shape, 4)


def hatched(ax):
    return [p for p in ax.patches if isinstance(p, Rectangle) and p.get_hatch()]


@pytest.mark.parametrize(
    "how", ["as fitted", "lazy", "decoded by xarray", "path", "plain array", "netCDF"]
)
def test_a_map_of_labels_shows_nodata_as_nothing(how, chart, tmp_path):
    given = chart
    if how == "lazy":
        given = chart.chunk(y=5)
    if how in ("decoded by xarray", "path"):
        chart.to_zarr(tmp_path / "l", zarr_format=3, consolidated=False)
        given = xr.open_zarr(tmp_path / "l", consolidated=False)["labels"]
        assert given.dtype.kind == "f"
    if how == "plain array":  # as the command line writes it
        zarr.create_array(
            tmp_path / "l",
            data=chart.values,
            fill_value=255,
            dimension_names=["y", "x"],
            attributes={"_FillValue": 255},
        )
    if how in ("path", "plain array"):
        given = tmp_path / "l"
    if how == "netCDF":
        given = tmp_path / "l.nc"
        chart.to_dataset(name="labels").to_netcdf(given, engine="h5netcdf")
    ax = streamkm.plot.labels(given)
    colours = drawn_in(ax)
    nodata = chart.values == 255
    assert nodata.sum() == 6
    assert (colours[nodata][:, 3] == 0).all()
    assert (colours[~nodata][:, 3] == 1).all()
    # As many colours and legend entries as clusters.
    assert len(np.unique(colours[~nodata], axis=0)) == 3
    handles = ax.get_legend().legend_handles
    for label, handle in zip(range(3), handles, strict=False):
        shown = np.unique(colours[chart.values == label], axis=0)
        assert np.allclose(shown, [handle.get_facecolor()])
    counts = [(chart.values == label).sum() for label in range(3)]
    assert legend_of(ax) == [
        *(f"{label}: {100 * count / 90:.1f} %" for label, count in enumerate(counts)),
        "nodata: 6.2 % of all cells",
    ]
    (behind,) = hatched(ax)
    assert behind.get_zorder() < ax.collections[0].get_zorder()
    assert behind.get_hatch() == handles[-1].get_hatch()
    assert behind.get_bbox().bounds == pytest.approx(
        (-0.5, -0.5, 12, 8) if how != "plain array" else (0, 0, 12, 8), abs=0.51
    )


def test_labels_of_the_command_line(tmp_path):
    x = np.repeat([[0.0, 9.0]], 6, axis=0)[..., None]
    x[0, 0] = -1
    zarr.create_array(
        tmp_path / "x", data=x, dimension_names=["y", "x", "b"], attributes={"nodata": -1}
    )
    options = ["--feature-dim", "b", "--labels", tmp_path / "l", "-o", tmp_path / "m"]
    run("fit", tmp_path / "x", "-k", 2, *options)
    ax = streamkm.plot.labels(tmp_path / "l")
    *shares, nodata = (text.split(": ")[1] for text in legend_of(ax))
    assert sorted(shares) == ["45.5 %", "54.5 %"]
    assert nodata == "8.3 % of all cells"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "y")
    assert ax.yaxis_inverted()


def test_names_units_and_dates_are_shown(chart):
    chart.attrs["flag_meanings"] = "water cluster_1 wet_sand"
    chart["x"].attrs |= {"units": "m", "long_name": "easting"}
    chart = chart.assign_coords(time=np.datetime64("2024-06-01"), spatial_ref=0)
    ax = streamkm.plot.labels(chart)
    names = [text.split(":")[0] for text in legend_of(ax)]
    assert names == ["water", "1", "wet_sand", "nodata"]
    assert ax.get_xlabel() == "easting [m]"
    assert ax.get_title() == "3 clusters, time 2024-06-01"


@pytest.mark.parametrize("order", ["north first", "south first", "no coordinates", "turned"])
def test_north_or_the_first_row_of_an_image_is_above(order, chart):
    """The corner with nodata is in the north west, and in the first rows."""
    given = {
        "north first": chart,
        "south first": chart[::-1],
        "no coordinates": chart.drop_vars(["x", "y"]),
        "turned": chart.T,
    }[order]
    ax = streamkm.plot.labels(given)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "y")
    (mesh,) = ax.collections
    corners = mesh.get_coordinates()
    missing = np.ma.getmaskarray(mesh.get_array()).reshape(8, 12)
    cells = (corners[:-1, :-1] + corners[1:, 1:]) / 2
    on_screen = ax.transData.transform(cells[missing])
    centre = ax.transData.transform(cells.reshape(-1, 2).mean(axis=0))
    assert (on_screen[:, 1] > centre[1]).all()
    assert (on_screen[:, 0] < centre[0]).all()


@pytest.mark.parametrize("k", [20, 21, 256, 3000])
def test_more_than_twenty_clusters_have_a_bar_with_ticks_at_the_centres_of_its_boxes(k):
    values = np.arange(3000).reshape(50, 60) % k
    values[0, :30] = -1
    ax = streamkm.plot.labels(xr.DataArray(values, dims=("y", "x")))
    if k == 20:
        assert len(legend_of(ax)) == 21
        return
    assert ax.get_legend() is None
    (bar,) = ax.child_axes
    assert bar.get_ylabel() == (
        f"number of the cluster ({k} clusters)\nhatched: nodata: 1.0 % of all cells"
    )
    assert bar.get_ylim() == (-0.5, k - 0.5)
    ticks = bar.get_yticks()
    assert ticks[0] == 0
    assert 4 <= len(ticks) <= 10
    assert len(bar.yaxis.get_minorticklocs()) == 0
    colours = drawn_in(ax)[values >= 0]
    assert len(np.unique(colours, axis=0)) == pytest.approx(min(k, 256), abs=0 if k < 257 else 2)


def test_what_xarray_draws_after_decode_cf_has_no_fill(chart):
    shown = xr.decode_cf(chart.to_dataset())["labels"]
    assert np.nanmax(shown.plot().get_array().filled(np.nan)) == 2
    assert chart.dtype == np.uint8


def test_a_map_without_nodata_without_coordinates_and_with_one_cluster(chart):
    bare = chart.drop_vars(["x", "y"])[:, 4:8]
    del bare.attrs["_FillValue"]
    ax = streamkm.plot.labels(bare)
    colours = drawn_in(ax)
    assert (colours[..., 3] == 1).all()
    assert len(np.unique(colours.reshape(-1, 4), axis=0)) == 1
    assert not hatched(ax)
    assert sorted(text.split(": ")[1] for text in legend_of(ax)) == ["0 %", "0 %", "100.0 %"]
    ax = plt.figure().add_subplot()
    assert streamkm.plot.labels(chart[:3, :2], ax) is ax
    assert legend_of(ax)[-1] == "nodata: 100.0 % of all cells"


def test_a_large_map_is_drawn_from_a_part_of_its_rows():
    labels = xr.DataArray(np.zeros((9000, 30), np.uint8), dims=("y", "x"))
    ax = streamkm.plot.labels(labels)
    colours = drawn_in(ax)
    assert colours.shape[0] < 2000
    assert colours.shape[1] == 30
    assert ax.get_legend().get_title().get_text().endswith("\nthat are drawn")


def test_what_is_no_map_is_refused(chart, tmp_path):
    zarr.create_group(tmp_path / "g")
    for wrong, words in (
        (chart.expand_dims(time=2), "select two"),
        (chart.values, "DataArray"),
        (chart.astype("U3"), "labels"),
        (tmp_path / "nothing", "not a Zarr store"),
        (tmp_path / "g", "without the array 'labels'"),
    ):
        with pytest.raises(DataError, match=words):
            streamkm.plot.labels(wrong)
    assert streamkm.plot.labels(chart.expand_dims("time")) is not None
