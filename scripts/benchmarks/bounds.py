"""Bounds by leading directions, compared with plain products, on one thread.

    scripts/bench bounds [--rows 16384] [--rounds 5]

Each speed is the median of the ratios of the interleaved rounds. The centroids are those after two
steps from random rows. Labels, distances and sums of all variants are compared for equal bits. The
share of the pairs that bounds leave is computed by NumPy, for 256 rows, with the distance of the
nearest centroid as the threshold.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from data import SHUFFLED
from report import table
from threadpoolctl import threadpool_limits

from streamkm.kernels import Centroids
from streamkm.kernels.many import many_features
from streamkm.kernels.pruned import pruned_features
from streamkm.passes import Lloyd
from streamkm.rows import Block

CASES = [
    ("patches 16 x 16", 1024),
    ("patches 16 x 16", 256),
    ("patches 8 x 8", 1024),
    ("patches 8 x 8", 256),
    ("mnist", 256),
    ("mnist", 100),
    ("words", 1000),
    ("noise", 1024),
]
HEAD = (
    "rows, d, k",
    "plain, us a row",
    "p: pairs left, %",
    "p: speed relative to plain",
    "chosen",
    "with the choice",
)


def rows_of(name: str, n: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    if name == "noise":
        return rng.standard_normal((n, 128), np.float32)
    return np.ascontiguousarray(rng.permutation(SHUFFLED[name]())[:n])


def after_two_steps(x: np.ndarray, k: int) -> np.ndarray:
    centroids = x[:k].astype(np.float64)
    for _ in range(2):
        centroids = Lloyd(centroids)(Block.from_values(x)).means(centroids)
    return centroids


class Variants:
    """Folds of all rows by each kernel, tile by tile, as a pass makes them."""

    def __init__(self, x: np.ndarray, k: int) -> None:
        self.values = after_two_steps(x, k)
        self.centroids = Centroids(self.values, x.dtype)
        self.tiles = [tile.x for tile in Block.from_values(x).tiles()]
        self.n = len(x)
        first = self.centroids._leading()
        stages = [first] if first else []
        stages += [first._wider()] if first and np.isfinite(first._least) else []
        self.calls: dict[object, Callable[..., float]] = {"plain": self._plain}
        self.left: dict[int, float] = {}
        for stage in stages:
            for chosen, p in enumerate(map(int, stage._trial[0])):
                self.calls[p] = self._pruned(stage._arguments(chosen))
                self.left[p] = self._share_left(x[:: max(1, len(x) // 256)], stage._basis[:, :p])
        self.calls["chosen"] = self.centroids._run

    def _share_left(self, x: np.ndarray, basis: np.ndarray) -> float:
        """Return the share of the pairs whose bound is at most the distance of the nearest."""
        origin = self.values.mean(axis=0)
        rows, centroids = x - origin, self.values - origin
        squares = [(each**2).sum(axis=1) for each in (rows, centroids)]
        ahead = [each @ basis for each in (rows, centroids)]
        rest = [
            np.sqrt(np.maximum(square - (near**2).sum(axis=1), 0))
            for square, near in zip(squares, ahead, strict=True)
        ]
        bounds = squares[0][:, None] + squares[1] - 2 * (ahead[0] @ ahead[1].T)
        bounds -= 2 * rest[0][:, None] * rest[1]
        nearest = (squares[0][:, None] + squares[1] - 2 * rows @ centroids.T).min(axis=1)
        return float((bounds <= nearest[:, None] * (1 + 1e-12)).mean())

    def _plain(self, x: np.ndarray, *outputs: object) -> float:
        return many_features(x, self.values, self.centroids._ready, *outputs)

    def _pruned(self, arguments: object) -> Callable[..., float]:
        return lambda x, *outputs: pruned_features(x, self.values, arguments, *outputs)

    def fold(self, name: object) -> tuple[float, list[np.ndarray]]:
        """Return the seconds of a fold and its results."""
        sums, counts, results = np.zeros_like(self.values), np.zeros(len(self.values)), []
        weights = np.ones(max(map(len, self.tiles)))
        began = time.perf_counter()
        for x in self.tiles:
            answer = np.empty(len(x), np.int32), np.empty(len(x))
            self.calls[name](x, answer, None, (weights[: len(x)], sums, counts))
            results += answer
        return time.perf_counter() - began, [*results, sums, counts]


def measured(name: str, k: int, n: int, rounds: int) -> list[str]:
    """Return a row of the table."""
    x = rows_of(name, n)
    variants = Variants(x, k)
    _, expected = variants.fold("plain")
    for variant in variants.calls:
        _, found = variants.fold(variant)
        assert all(map(np.array_equal, expected, found)), (name, k, variant)
    seconds = [{v: variants.fold(v)[0] for v in variants.calls} for _ in range(rounds)]
    speeds = {
        v: float(np.median([one["plain"] / one[v] for one in seconds])) for v in variants.calls
    }
    numbers = {variants.centroids.n_directions(tile) for tile in variants.tiles}
    return [
        f"{name}, {x.shape[1]}, {k}",
        f"{min(one['plain'] for one in seconds) / variants.n * 1e6:.2f}",
        ", ".join(f"{p}: {100 * share:.2g}" for p, share in variants.left.items()),
        ", ".join(f"{v}: {speed:.2f}" for v, speed in speeds.items() if isinstance(v, int)),
        ", ".join(str(p) if p else "plain" for p in sorted(numbers)),
        f"{speeds['chosen']:.2f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=16_384)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with threadpool_limits(1):
        found = [measured(name, k, asked.rows, asked.rounds) for name, k in CASES]
    print("\n".join(table(HEAD, found)))


if __name__ == "__main__":
    main()
