"""A sample of rows is drawn in the scale of the model, with a legend."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr
from matplotlib.colors import to_rgb
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

import streamkm
from streamkm.errors import DataError
from tests.cli.test_cli import run
from tests.plot.conftest import legend_of


def of_clusters(ax):
    """The points of each cluster, in the order of the numbers."""
    return [np.asarray(points.get_offsets()) for points in ax.collections]


@pytest.mark.parametrize("d", [1, 2, 5])
def test_clusters_of_a_sample(d):
    x = np.random.default_rng(0).normal(size=(300, d))
    km = streamkm.KMeans(3, random_state=0).fit(x)
    ax = streamkm.plot.clusters(km, x, rows=100)
    assert sum(map(len, of_clusters(ax))) == 100
    assert len(ax.lines[0].get_xdata()) == 3
    assert ("principal" in ax.get_xlabel()) == (d > 2)
    assert legend_of(ax) == ["0", "1", "2", "centroid"]
    assert [text.get_text() for text in ax.texts] == ["0", "1", "2"]


@pytest.mark.parametrize("scale", [None, "standard"])
def test_axes_are_those_of_a_pca_of_rows_in_the_scale_of_the_model(scale):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4)) @ rng.normal(size=(4, 4)) * [1, 5, 8, 1]
    km = streamkm.KMeans(3, scale=scale, random_state=0).fit(x)
    ax = streamkm.plot.clusters(km, x)
    scaled = StandardScaler().fit(x) if scale else None
    rows = x if scale is None else scaled.transform(x)
    pca = PCA(2).fit(rows)
    word = ", scaled" if scale else ""
    first, second = 100 * pca.explained_variance_ratio_
    assert ax.get_xlabel() == f"first principal axis{word} ({first:.0f} % of variance)"
    assert ax.get_ylabel() == f"second principal axis{word} ({second:.0f} % of variance)"
    expected = pca.transform(rows)
    drawn = np.vstack(of_clusters(ax))
    assert np.allclose(np.sort(np.abs(drawn), 0), np.sort(np.abs(expected), 0), rtol=1e-4)
    centroids = km.cluster_centers_ if scale is None else scaled.transform(km.cluster_centers_)
    marked = ax.lines[0].get_xydata()
    assert np.allclose(np.abs(marked), np.abs(pca.transform(centroids)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("d", [1, 2])
def test_one_or_two_features_keep_their_names_and_units(d):
    x = np.random.default_rng(0).normal(size=(100, 2)) * [1000, 1]
    table = pd.DataFrame(x, columns=["height", "mass"]).iloc[:, :d]
    km = streamkm.KMeans(2, scale="standard", random_state=0).fit(table)
    ax = streamkm.plot.clusters(km, table)
    assert ax.get_xlabel() == "height"
    assert ax.get_ylabel() == ("mass" if d == 2 else "(random heights)")
    drawn = np.vstack(of_clusters(ax))[:, :d]
    assert np.allclose(np.sort(drawn, axis=0), np.sort(x[:, :d], axis=0))
    assert np.allclose(ax.lines[0].get_xydata()[:, :d], km.cluster_centers_)


def test_unit_vectors_are_drawn_on_the_circle(blobs):
    km = streamkm.SphericalKMeans(3, random_state=0).fit(blobs[:, :2])
    ax = streamkm.plot.clusters(km, blobs[:, :2], rows=50)
    assert ax.get_xlabel() == "feature 0, unit length"
    assert np.allclose(np.linalg.norm(np.vstack(of_clusters(ax)), axis=1), 1)


def test_labels_of_rows_far_from_zero_are_those_of_the_model():
    x = np.concatenate([np.arange(20), np.arange(100, 120)])[:, None] + 2**60
    km = streamkm.KMeans(2, random_state=0).fit(x)
    ax = streamkm.plot.clusters(km, x)
    assert [len(own) for own in of_clusters(ax)] == [20, 20]


def test_named_clusters_are_in_the_legend_by_name_and_ambiguous_ones_with_their_number(blobs):
    km = streamkm.KMeans(4, random_state=0).fit(blobs)
    km.cluster_names_ = np.array(["water", "x" * 60, "water", None], dtype=object)
    expected = ["water (0)", "x" * 23 + "…", "water (2)", "cluster 3", "centroid"]
    assert legend_of(streamkm.plot.clusters(km, blobs)) == expected


@pytest.mark.parametrize("k", [20, 21])
def test_up_to_twenty_clusters_differ_by_colour_and_marker_and_more_have_a_bar(k, blobs):
    km = streamkm.KMeans(k, random_state=0).fit(blobs)
    ax = streamkm.plot.clusters(km, blobs)
    if k == 21:
        assert ax.get_legend() is None
        assert not ax.texts
        (bar,) = ax.child_axes
        assert bar.get_ylabel() == "number of the cluster (21 clusters)"
        assert bar.get_yticks().tolist() == [0, 5, 10, 15, 20]
        return
    shown = [p for p in ax.get_legend().legend_handles if p.get_label() != "centroid"]
    assert len({to_rgb(p.get_color()) for p in shown}) == 20
    assert len({p.get_marker() for p in shown}) == 7


def test_more_points_are_smaller_and_more_transparent(blobs):
    km = streamkm.KMeans(3, random_state=0).fit(blobs)
    few, many = (streamkm.plot.clusters(km, blobs, rows=n).collections[0] for n in (100, 5000))
    assert few.get_alpha() > many.get_alpha()
    assert few.get_sizes()[0] > many.get_sizes()[0]


@pytest.mark.parametrize("by", ["estimator", "model", "path", "command line"])
def test_clusters_have_the_colours_of_scaled_rows(by, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(800, 2)) * [100, 0.1] + rng.integers(2, size=(800, 1)) * [0, 3]
    model = streamkm.KMeans(2, scale="standard", random_state=0).fit(x)
    if by in ("model", "path"):
        model.save(tmp_path / "m")
        model = streamkm.load_model(tmp_path / "m") if by == "model" else tmp_path / "m"
    if by == "command line":
        group = zarr.create_group(tmp_path / "x")
        group.create_array("other", data=np.zeros((40, 20, 2)), dimension_names=list("yxb"))
        group.create_array("rows", data=x.reshape(40, 20, 2), dimension_names=list("yxb"))
        scale = ["--scale", "standard", "--feature-dim", "b", "--variable", "rows"]
        run("fit", tmp_path / "x", "-k", 2, "-o", tmp_path / "m", *scale)
        model = streamkm.load_model(tmp_path / "m")
        x = str(tmp_path / "x")
    low, high = sorted(of_clusters(streamkm.plot.clusters(model, x)), key=lambda own: own[0, 1])
    assert low[:, 1].max() < 1.5 < high[:, 1].min()


def test_rows_that_cannot_be_drawn_are_refused(blobs):
    km = streamkm.KMeans(2, nodata=-1, random_state=0).fit(blobs)
    with pytest.raises(DataError, match="all are left out as nodata"):
        streamkm.plot.clusters(km, np.full((9, 6), -1.0))
    with pytest.raises(DataError, match="rows=0"):
        streamkm.plot.clusters(km, blobs, rows=0)
    with pytest.raises(DataError, match="expecting 6 features"):
        streamkm.plot.clusters(km, blobs[:, :2])


def test_features_have_their_units_and_days_no_time():
    days = pd.date_range("2000-01-01", periods=2)
    x = xr.DataArray(
        np.random.default_rng(0).normal(size=(60, 2)),
        coords={"time": days},
        dims=("place", "time"),
        attrs={"units": "degC"},
    )
    model = streamkm.KMeans(3, feature_dim="time", random_state=0).fit(x)
    ax = streamkm.plot.clusters(model, x)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("2000-01-01 [degC]", "2000-01-02 [degC]")
    lines = streamkm.plot.centroids(model)
    assert lines.get_ylabel() == "centroid [degC]"
    assert [label.get_text() for label in lines.get_xticklabels()] == ["2000-01-01", "2000-01-02"]
