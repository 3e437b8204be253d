"""The plot of a stream's reports follows every cluster from its birth to its death."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

import streamkm
from streamkm.errors import DataError
from streamkm.streaming import compare
from tests.plot.conftest import legend_of

# The clusters at three times; between the last two, one dies and another appears far away.
PLACES = [
    np.array([[0.0, 0], [10, 0], [0, 10]]),
    np.array([[1.0, 0], [10, 1], [0, 10]]),
    np.array([[0.0, 10], [2, 0], [90, 90]]),
]
COUNTS = [np.array([1.0, 2, 1]), np.array([1.0, 1, 2]), np.array([2.0, 1, 1])]
REPORTS = [
    None,
    *(compare(PLACES[i], COUNTS[i], PLACES[i + 1], COUNTS[i + 1]) for i in range(2)),
]


def drawn(ax):
    """The lines of clusters by their numbers, without the marks."""
    lines = [line for line in ax.lines if line.get_label().isdecimal()]
    return sorted((line.get_label(), *map(tuple, line.get_xydata().tolist())) for line in lines)


def test_each_cluster_is_followed_also_under_another_number():
    shares, moves = streamkm.plot.drift(REPORTS)
    assert drawn(shares) == [
        ("0", (1, 0.25), (2, 0.25)),
        ("1", (1, 0.25)),  # died
        ("2", (1, 0.5), (2, 0.5)),
        ("2", (2, 0.25)),  # appeared, and has the number 2 of its solution
    ]
    marks = [
        (line.get_marker(), *line.get_xydata()[0]) for line in shares.lines if "_" in label(line)
    ]
    assert sorted(marks) == [("*", 2, 0.25), ("X", 1, 0.25)]
    followed = {line.get_label(): line.get_ydata().tolist() for line in moves.lines[:3]}
    assert followed == {"0": [1, 1], "1": [1], "2": [0, 0]}
    assert np.isnan(moves.lines[3].get_ydata()).all()
    assert legend_of(shares) == ["0", "1", "2", "appeared", "last report"]


def label(line):
    return line.get_label()


def test_times_and_axes_may_be_given_and_many_clusters_are_shades():
    days = np.array(["2026-01-01", "2026-01-02", "2026-01-04"], "datetime64[D]")
    axes = plt.figure().subplots(1, 2)
    shares, moves = streamkm.plot.drift(REPORTS, days, axes)
    assert (shares, moves) == tuple(axes)
    assert shares.lines[0].get_xdata().tolist() == days[1:].tolist()
    assert moves.get_xlabel() == "time"
    x = np.arange(60.0).reshape(30, 2)
    many = compare(x, np.ones(30), x, np.ones(30))
    assert streamkm.plot.drift([many, many])[0].get_legend() is None


def test_what_is_no_sequence_of_reports_is_refused():
    for reports, words in (
        ([None], "drift_ is None after the first search"),
        ([3], "give the drift_ of a StreamingKMeans"),
        (
            [REPORTS[1], compare(PLACES[0][:2], COUNTS[0][:2], PLACES[0], COUNTS[0])],
            "had 3 clusters",
        ),
    ):
        with pytest.raises(DataError, match=words):
            streamkm.plot.drift(reports)
    with pytest.raises(DataError, match="3 reports, but 1 times"):
        streamkm.plot.drift(REPORTS, times=[1])
