"""The time of a Lloyd step in memory, with all overhead of a fit: streamkm and its peers.

In every round, each library runs once on the same data and centroids, in its own process, and the
rates of the machine are measured as well. The first round is a warm-up.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from peers import APPROXIMATE, PEERS, a_step, bare_read, two_fits
from processes import process
from roofline import best, rates

Shape = tuple[int, int, int, str]
ALL = tuple(PEERS)
TWO = ("streamkm", "scikit-learn")
SHAPES: list[tuple[Shape, Shape, tuple[str, ...]]] = [
    # full, quick (with more rows than the table of distinct rows holds), libraries
    ((8_000_000, 3, 16, "float32"), (2_000_000, 3, 16, "float32"), ALL),
    ((8_000_000, 3, 256, "float32"), (2_000_000, 3, 256, "float32"), ALL),
    ((4_000_000, 12, 20, "float32"), (1_000_000, 12, 20, "float32"), ALL),
    ((1_000_000, 64, 256, "float32"), (250_000, 64, 256, "float32"), ALL),
    ((500_000, 128, 1024, "float32"), (130_000, 128, 1024, "float32"), ALL),
    ((60_000, 784, 100, "float32"), (60_000, 784, 100, "float32"), ALL),
    ((8_000_000, 4, 12, "uint8"), (3_000_000, 4, 12, "uint8"), TWO),
    ((1_000_000, 64, 64, "uint8"), (250_000, 64, 64, "uint8"), TWO),
    ((4_000_000, 12, 20, "float64"), (1_000_000, 12, 20, "float64"), TWO),
    ((500_000, 64, 256, "float64"), (150_000, 64, 256, "float64"), TWO),
    ((16_000_000, 1, 2, "float32"), (4_000_000, 1, 2, "float32"), TWO),
    ((100_000, 1024, 64, "float32"), (20_000, 1024, 64, "float32"), TWO),
    ((200_000, 16, 10_000, "float32"), (100_000, 16, 10_000, "float32"), TWO),
]
# Data set and number of clusters.
REAL = [
    ("patches 16 x 16", 1024),
    ("patches 8 x 8", 256),
    ("words", 1000),
    ("mnist", 100),
    ("patches 8 x 8", 1024),
    ("words", 4096),
    ("landsat", 64),
    ("pixels", 256),
    ("patches 8 x 8", 10_000),
]
SHORT_ROWS = ("landsat", "pixels")  # SuperKmeans refuses so few features
QUICK = 4  # data sets of a quick run
DISTANCES = 3e8  # dask-ml holds all n * k distances at once; it is left out above this number


def steps_of(shape: Shape, quick: bool) -> int:
    """Return enough steps to exceed the variation between fits; Lloyd does not end before."""
    n, d, k, _ = shape
    guess = n * d * (2 * k / 8e10 + 4 / 2e9)
    return min(max(3, int((0.4 if quick else 1.5) / guess)), 20)


def measured(
    shape: Any, names: tuple[str, ...], steps: int, rounds: int, workers: Any
) -> dict[str, Any]:
    """Return the seconds of a step of every library, round by round."""
    fits: dict[str, list[tuple[float, float, float]]] = {name: [] for name in names}
    bare, machine = [], []
    for turn in range(rounds + 1):
        for name in names:
            if name == "dask-ml" and turn > 1:  # slow enough to measure in one
                continue
            found = workers[name].submit(two_fits, name, shape, steps if turn else 1).result()
            if turn:
                fits[name].append(found)
        if turn:
            bare.append(workers["streamkm"].submit(bare_read, shape, steps).result())
            machine.append(workers["machine"].submit(rates).result())
    ends = {name: found[-1][2] for name, found in fits.items()}
    apart = {name: loss / ends["streamkm"] - 1 for name, loss in ends.items()}
    return {
        "shape": shape,
        "steps": steps,
        "seconds": {name: a_step(found, steps) for name, found in fits.items()} | {"bare": bare},
        "losses apart": max(abs(apart[name]) for name in names if name in PEERS),
        "approximate losses": {name: apart[name] for name in names if name in APPROXIMATE},
        "rates": best(machine),
        "undisturbed": statistics.median(one["float32"] for one in machine),
    }


def run(quick: bool, rounds: int) -> Iterator[dict[str, Any]]:
    workers = {name: process() for name in (*PEERS, "machine")}
    try:
        for full, small, names in SHAPES:
            shape = small if quick else full
            fit = tuple(p for p in names if p != "dask-ml" or shape[0] * shape[2] <= DISTANCES)
            yield measured(shape, fit, steps_of(shape, quick), rounds, workers)
    finally:
        for worker in workers.values():
            worker.shutdown(cancel_futures=True)


def run_real(quick: bool, rounds: int) -> Iterator[dict[str, Any]]:
    """Measure steps on real data sets, also of a library whose labels are approximate."""
    names = tuple(name for name in (*PEERS, *APPROXIMATE) if name != "dask-ml")
    workers = {name: process() for name in (*names, "machine")}
    try:
        for shape in REAL[:QUICK] if quick else REAL:
            these = tuple(n for n in names if n not in APPROXIMATE or shape[0] not in SHORT_ROWS)
            steps = 20 if shape[0] in SHORT_ROWS else 3 if shape[1] > 4096 else 5
            yield measured(shape, these, steps, rounds, workers)
    finally:
        for worker in workers.values():
            worker.shutdown(cancel_futures=True)
