"""Clusters that move, appear and die
==================================

The clusters of a stream keep their numbers, and a report after each day says how they changed.

Of the five kinds of readings in this stream, one wanders, one fades out until day 12, and a sixth
comes up from day 11 on. A window of two days forgets the readings before, so a cluster without new
readings dies, and a cluster that appears takes its number. On the left are the paths of the
centroids on some of the rows. On the right, :func:`streamkm.plot.drift` draws the reports: the
share of each cluster, with marks where clusters appear and die, and how far each centroid moved in
a day.

Needs: ``pip install 'streamkm[plot]'``

Usage: ``python examples/stream_whose_clusters_change.py OUTPUT.png``
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np

import streamkm
import streamkm.plot
from streamkm.plot.style import COLOURS, MARKERS

DAYS, ROWS, K = 20, 600, 5
PLACES = np.array([[0.0, 0], [12, 1], [4, 9], [15, 9], [8, 4]])


def days() -> Iterator[np.ndarray]:
    """Yield the readings of each day."""
    rng = np.random.default_rng(0)
    for day in range(DAYS):
        centres = np.vstack([PLACES, [20.0, 4.0]])
        centres[0] += [0.35 * day, -0.25 * day]  # wanders
        weights = np.array([2, 2, 1, 1, max(0.0, 1 - day / 12), min(1.5, max(0, day - 10) / 2)])
        kinds = rng.choice(6, ROWS, p=weights / weights.sum())
        yield centres[kinds] + rng.normal(size=(ROWS, 2)) * 0.8


def main(output: str) -> None:
    km = streamkm.StreamingKMeans(K, window=2 * ROWS, random_state=0)
    reports, centroids, rows = [], [], []
    for day, readings in enumerate(days()):
        found = km.partial_fit(readings).drift_
        reports.append(found)
        centroids.append(km.cluster_centers_)
        rows.append(readings[:40])
        for number in () if found is None else found.appeared:
            place = ", ".join(f"{value:.0f}" for value in km.cluster_centers_[number])
            print(f"day {day}: cluster {number} of the stream died; one at ({place}) appeared")
    figure = plt.figure(figsize=(12, 5.5), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(5, 6), height_ratios=(3, 2))
    left, upper = figure.add_subplot(grid[:, 0]), figure.add_subplot(grid[0, 1])
    lower = figure.add_subplot(grid[1, 1], sharex=upper)
    left.scatter(*np.concatenate(rows).T, s=4, color="0.75", zorder=0)
    paths = np.array(centroids)
    for number in range(K):
        gone = [report is not None and report.match[number] < 0 for report in reports]
        for part in np.split(paths[:, number], np.flatnonzero(gone)):
            left.plot(*part.T, color=COLOURS[number], marker=MARKERS[number], ms=4, lw=1.5)
    left.set(xlabel="temperature", ylabel="humidity")
    streamkm.plot.drift(reports, axes=(upper, lower))
    lower.set_xlabel("day")
    figure.savefig(output, dpi=80)


if __name__ == "__main__":
    main(sys.argv[1])
