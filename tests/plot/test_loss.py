"""The loss of a fit shows every iteration, its reads, and why it stopped."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
import zarr

import streamkm
from streamkm.errors import DataError
from tests.plot.conftest import legend_of


def test_the_loss_of_every_iteration_and_the_last(blobs):
    km = streamkm.KMeans(5, init="random", n_init=1, random_state=0).fit(blobs)
    ax = plt.figure().add_subplot()
    assert streamkm.plot.loss(km, ax) is ax
    assert ax.lines[0].get_ydata().tolist() == [*km.history_["inertia"], km.inertia_]
    assert f"stopped by: {km.stop_reason_}" in ax.get_title()
    assert not ax.texts


def test_a_model_and_its_path_have_the_plot_of_the_estimator(blobs, tmp_path):
    km = streamkm.KMeans(5, init="random", n_init=1, random_state=0).fit(blobs)
    km.save(tmp_path / "m")
    forms = (km, streamkm.load_model(tmp_path / "m"), tmp_path / "m")
    drawn = [streamkm.plot.loss(form) for form in forms]
    assert len({tuple(ax.lines[0].get_ydata()) for ax in drawn}) == 1
    assert len({ax.get_title() for ax in drawn}) == 1


def test_one_iteration_has_its_losses_as_text_and_room_around_them():
    x = np.repeat([[0.0], [1.0], [8.0], [9.0]], 5, axis=0)
    km = streamkm.KMeans(2, init=np.array([[0.50001], [8.5]]), n_init=1).fit(x)
    assert len(km.history_) == 1
    assert 0 < km.history_["inertia"][0] - km.inertia_ < 1e-8
    ax = streamkm.plot.loss(km)
    assert [text.get_text() for text in ax.texts] == ["5", "5"]
    assert ax.get_title().startswith("1 iteration, inertia 5\n")
    low, high = ax.get_ylim()
    assert low < 4.996 < 5.004 < high
    assert ax.get_xlim()[0] < 0 < 1 < ax.get_xlim()[1]


def test_lines_mark_the_reads_where_some_iterations_take_none(no_table):
    x = np.random.default_rng(0).normal(size=(20_000, 3))
    data = zarr.create_array({}, data=x, chunks=(2_000, 3))
    km = streamkm.KMeans(6, init="random", n_init=1, random_state=0, tol=0, loss_tol=None).fit(data)
    reads = np.flatnonzero(km.history_["read"])
    assert 0 < len(reads) < len(km.history_)
    ax = streamkm.plot.loss(km)
    (lines,) = ax.collections
    assert [segment[0, 0] for segment in lines.get_segments()] == reads.tolist()
    assert legend_of(ax) == [f"{len(reads)} iterations with a read of the data"]


def test_no_line_marks_reads_where_every_iteration_is_one(no_table, blobs):
    km = streamkm.KMeans(5, init="random", n_init=1, random_state=0, algorithm="lloyd").fit(blobs)
    assert km.history_["read"].all()
    ax = streamkm.plot.loss(km)
    assert not ax.collections
    assert ax.get_legend() is None


def test_moved_clusters_are_marked():
    x = np.random.default_rng(0).normal(size=(200, 2))
    far = np.array([[0.0, 0], [0, 0.1], [900, 900]])
    km = streamkm.KMeans(3, init=far, n_init=1).fit(x)
    ax = streamkm.plot.loss(km)
    marked = next(line for line in ax.lines if line.get_label() == "empty clusters moved")
    assert marked.get_xdata().tolist() == np.flatnonzero(km.history_["relocated"]).tolist() != []


def test_what_has_no_history_is_refused(blobs):
    for model, words in (
        (streamkm.MiniBatchKMeans(2, random_state=0).fit(blobs), "MiniBatchKMeans has no history"),
        (streamkm.KMeans.from_centroids(blobs[:2]), "KMeans has no history"),
        (
            streamkm.HierarchicalKMeans(9, random_state=0).fit(blobs[:300]),
            "HierarchicalKMeans has no",
        ),
        (3, "a fitted estimator, a Model or its path, not int"),
    ):
        with pytest.raises(DataError, match=words):
            streamkm.plot.loss(model)
