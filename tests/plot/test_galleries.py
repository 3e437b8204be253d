"""Sizes, silhouettes, centroids and representatives are those of the model."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.metrics import silhouette_samples

import streamkm
from streamkm.errors import DataError
from tests.plot.conftest import legend_of


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    return load_digits().data


@pytest.fixture(scope="module")
def km(digits):
    return streamkm.KMeans(10, random_state=0).fit(digits)


def texts(labels):
    return [text.get_text() for text in labels]


def test_sizes_are_sorted_and_have_shares(km):
    ax = streamkm.plot.sizes(km)
    sizes = [bar.get_width() for bar in ax.patches]
    assert sizes == sorted(np.bincount(km.labels_).tolist(), reverse=True)
    assert texts(ax.texts) == [f"{n:.0f} ({100 * n / 1797:.1f} %)" for n in sizes]
    order = [int(text) for text in texts(ax.get_yticklabels())]
    assert km.counts_[order].tolist() == sizes
    assert ax.yaxis_inverted()


def test_sizes_of_many_clusters_are_a_curve_with_their_mean(digits):
    ax = streamkm.plot.sizes(streamkm.KMeans(30, random_state=0).fit(digits))
    assert [bar.get_height() for bar in ax.patches] == sorted(
        (bar.get_height() for bar in ax.patches), reverse=True
    )
    assert legend_of(ax) == ["mean: 59.9 (3.33 %)"]


def test_a_model_without_sizes_is_refused(digits):
    with pytest.raises(DataError, match="has no counts_"):
        streamkm.plot.sizes(streamkm.KMeans.from_centroids(digits[:3]))


def test_silhouettes_are_those_of_scikit_learn_sorted_in_each_cluster(km, digits):
    ax = streamkm.plot.silhouette(km, digits)
    expected = silhouette_samples(digits, km.labels_)
    for number, bars in enumerate(ax.collections):
        ends = bars.get_paths()[0].vertices[:, 0]
        own = expected[km.labels_ == number]
        assert ends.max() == pytest.approx(max(0, own.max()), abs=1e-6)
        assert ends.min() == pytest.approx(min(0, own.min()), abs=1e-6)
    assert ax.get_title() == f"mean silhouette {expected.mean():.3f} (1,797 rows)"
    assert ax.lines[0].get_xdata()[0] == pytest.approx(expected.mean())
    assert texts(ax.get_yticklabels()) == [str(i) for i in range(10)]


def test_silhouettes_of_scaled_rows_and_of_a_sample(blobs):
    x = blobs * np.array([1, 1, 1, 1, 1, 1000], blobs.dtype)
    km = streamkm.KMeans(8, scale="standard", random_state=0).fit(x)
    ax = streamkm.plot.silhouette(km, x, rows=300)
    assert "(300 rows)" in ax.get_title()
    whole = silhouette_samples(x / x.std(axis=0), km.labels_).mean()
    assert ax.lines[0].get_xdata()[0] == pytest.approx(whole, abs=0.05)
    with pytest.raises(DataError, match="1 of 1 clusters"):
        streamkm.plot.silhouette(streamkm.KMeans(1, random_state=0).fit(x), x)


def test_centroids_as_grey_images_are_the_tiles_of_one_picture(km):
    ax = streamkm.plot.centroids(km, (8, 8))
    (image,) = ax.images
    picture, names = np.ma.filled(image.get_array(), np.nan), ax.texts
    assert texts(names) == [str(i) for i in range(10)]
    for number, name in enumerate(names):
        x, y = name.get_position()
        left, bottom = int(x - 3), int(y + 0.4)
        tile = picture[bottom - 8 : bottom, left : left + 8]
        assert np.array_equal(tile, km.cluster_centers_[number].reshape(8, 8))
    assert np.isfinite(picture).sum() == 640


@pytest.mark.parametrize("order", ["last", "first"])
def test_colour_images_of_bytes_are_divided_by_255(order):
    rows = np.arange(2 * 4 * 5 * 3).reshape(2, 4, 5, 3) * 2.0
    given = rows if order == "last" else np.moveaxis(rows, 3, 1)
    model = streamkm.KMeans.from_centroids(given.reshape(2, -1))
    ax = streamkm.plot.centroids(model, given.shape[1:])
    picture = ax.images[0].get_array()
    assert np.allclose(picture[:4, :5, :3], rows[0] / 255)
    assert (picture[:4, :5, 3] == 1).all()
    assert (picture[:4, 5, 3] == 0).all()  # the gap


def test_centroids_as_lines_at_the_coordinates_of_their_features():
    values = np.random.default_rng(0).normal(size=(60, 5))
    for columns, x in (
        (["450.5", "560", "650", "840.25", "1600"], [450.5, 560, 650, 840.25, 1600]),
        (["blue", "green", "red", "nir", "swir"], [0, 1, 2, 3, 4]),
        (["3", "1", "2", "5", "4"], [0, 1, 2, 3, 4]),
    ):
        km = streamkm.KMeans(4, random_state=0).fit(pd.DataFrame(values, columns=columns))
        ax = streamkm.plot.centroids(km)
        assert np.array_equal([line.get_ydata() for line in ax.lines], km.cluster_centers_)
        assert ax.lines[0].get_xdata().tolist() == x
        assert legend_of(ax) == ["0", "1", "2", "3"]
        assert len({line.get_linestyle() for line in ax.lines}) == 4
        if x == [0, 1, 2, 3, 4]:
            assert texts(ax.get_xticklabels()) == columns


def test_many_features_have_a_few_names():
    names = [f"day {month:02}-{day:02}" for month in range(1, 13) for day in (1, 11, 21)]
    values = np.random.default_rng(0).normal(size=(60, 36))
    km = streamkm.KMeans(2, random_state=0).fit(pd.DataFrame(values, columns=names))
    shown = texts(streamkm.plot.centroids(km).get_xticklabels())
    assert shown == names[::4]


def test_representatives_as_images_are_the_nearest_rows_and_one_row_for_each_cluster(km, digits):
    ax = plt.figure().add_subplot()
    assert streamkm.plot.representatives(km, digits, 4, shape=(8, 8), ax=ax) is ax
    picture = np.ma.filled(ax.images[0].get_array(), np.nan)
    nearest = km.representatives(digits, 4).values.reshape(10, 4, 8, 8)
    for i, centre in enumerate(ax.get_yticks()):
        for j in range(4):
            top, left = int(centre - 3.5), 9 * j
            assert np.array_equal(picture[top : top + 8, left : left + 8], nearest[i, j])
    assert texts(ax.get_yticklabels()) == [str(i) for i in range(10)]


def test_representatives_as_lines_are_in_strips_of_the_same_scale():
    x = np.array([[0.0, 1, 2], [0, 1, 3], [9, 8, 7]])
    km = streamkm.KMeans(2, init=x[[0, 2]], n_init=1).fit(x)
    ax = streamkm.plot.representatives(km, x, 2)
    lines = [line for line in ax.lines if len(line.get_xdata()) == 3]
    assert len(lines) == 2 * (2 + 1)
    upper, other = lines[0].get_ydata(), lines[2].get_ydata()
    assert np.allclose(np.diff(upper), [1, 1])
    assert np.allclose(np.diff(other), [1, 1.5])  # the centroid
    assert np.isnan(lines[4].get_ydata()).all()  # the second cluster has one row
    assert min(upper) > max(lines[3].get_ydata())
    assert "from 0 to 9" in ax.get_ylabel()


@pytest.mark.parametrize("shape", [(8, 9), (64,), 8, (4, 4, 4), (8, 8, 3)])
def test_shapes_that_are_not_those_of_a_row_are_refused_before_the_read(shape, km):
    for draw in (
        lambda: streamkm.plot.centroids(km, shape),
        lambda: streamkm.plot.representatives(km, "not there", shape=shape),
    ):
        with pytest.raises(DataError, match=r"shape=.*give"):
            draw()


@pytest.mark.parametrize("calendar", ["standard", "noleap"])
def test_lines_over_many_dates_are_at_their_dates_unless_the_calendar_has_none(calendar):
    names = [str(day) for day in np.arange("2024-02-01", "2024-03-01", dtype="datetime64[D]")]
    if calendar == "noleap":
        names[-1] = "2024-02-30"
    values = pd.DataFrame(np.random.default_rng(0).normal(size=(9, len(names))), columns=names)
    ax = streamkm.plot.centroids(streamkm.KMeans(2, random_state=0).fit(values))
    want = np.arange(29.0)
    if calendar == "standard":
        want += np.datetime64("2024-02-01").astype(int)
        ax.figure.canvas.draw()
        assert "2024" in ax.xaxis.get_major_formatter().get_offset()
    assert np.array_equal(ax.lines[0].get_xdata(), want)


def test_the_axis_of_a_cube_has_the_name_of_its_feature_dimension():
    bands = xr.DataArray(
        np.random.default_rng(0).normal(size=(20, 3)),
        coords={"wavelength": [450.0, 550.0, 1600.0]},
        dims=("place", "wavelength"),
    )
    ax = streamkm.plot.centroids(streamkm.KMeans(2, feature_dim="wavelength").fit(bands))
    assert ax.get_xlabel() == "wavelength"
    assert ax.lines[0].get_xdata().tolist() == [450.0, 550.0, 1600.0]


def test_long_names_of_features_leave_room_for_the_picture():
    values = np.random.default_rng(0).normal(size=(9, 2))
    km = streamkm.KMeans(2, random_state=0).fit(pd.DataFrame(values, columns=["a", "x" * 90]))
    ax = streamkm.plot.centroids(km)
    assert texts(ax.get_xticklabels()) == ["a", "x" * 23 + "…"]
    ax.figure.canvas.draw()  # an Axes without room would be a warning, which is an error here
    assert len(streamkm.plot.clusters(km, values).get_ylabel()) == 50
