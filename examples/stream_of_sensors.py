"""A stream that changes
=====================

Readings of sensors arrive day by day, are read once, and one kind of reading wanders.

A model of all days and one that forgets are kept at the same time. After the change, the model with
a half-life of a day follows the cluster that moves, and the other stays near its old place. Memory
does not grow with the number of days. A batch may also be a table, a Dask array or the path of a
Zarr store.

Needs: ``pip install 'streamkm[plot]'``

Usage: ``python examples/stream_of_sensors.py OUTPUT.png``
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np

import streamkm

DAYS, ROWS = 14, 400  # days, and readings of a day


def days() -> Iterator[np.ndarray]:
    """Yield the readings (temperature, humidity) of each day; one cluster warms after day 6."""
    rng = np.random.default_rng(0)
    for day in range(DAYS):
        centres = np.array([[5.0, 80.0], [15.0, 40.0], [22.0 + max(0, day - 6), 65.0]])
        yield centres[rng.integers(3, size=ROWS)] + rng.normal(size=(ROWS, 2)) * [1.0, 3.0]


def main(output: str) -> None:
    models = {
        "all days": streamkm.StreamingKMeans(3, random_state=0),
        "half-life of a day": streamkm.StreamingKMeans(3, half_life=ROWS, random_state=0),
    }
    warmest: dict[str, list[float]] = {name: [] for name in models}
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
    for day, rows in enumerate(days()):
        for name, km in models.items():
            km.partial_fit(rows)
            warmest[name].append(km.cluster_centers_[:, 0].max())
        if day in (0, DAYS - 1):
            left.scatter(*rows.T, s=6, alpha=0.5, label=f"day {day}")
    for marker, (name, km) in zip("Xo", models.items(), strict=True):
        left.scatter(*km.cluster_centers_.T, color="black", marker=marker, s=90, label=name)
        right.plot(range(DAYS), warmest[name], color="black", marker=marker, ms=5, label=name)
        print(f"{name}: the warmest cluster is at {warmest[name][-1]:.1f} °C")
    last = models["half-life of a day"]
    print(f"moved with the last day: {np.round(last.drift_.moved, 2)}; {last.n_rows_seen_} rows")
    left.set(xlabel="temperature, °C", ylabel="humidity, %")
    right.set(xlabel="day", ylabel="temperature of the warmest cluster, °C")
    left.legend()
    right.legend()
    figure.savefig(output, dpi=80)


if __name__ == "__main__":
    main(sys.argv[1])
