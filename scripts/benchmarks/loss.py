"""Relative error of the loss, compared with sums of long doubles.

`differences` is the loss of streamkm: float64 differences of each row. `sums` is computed without
distances, from the sums of the clusters about the mean of the data: J = T - 2 sum (c - o) S +
sum n |c - o|^2. `product` is |x|^2 - 2 x c + |c|^2 in the precision of the data.
"""

from __future__ import annotations

from collections.abc import Callable

import data
import numpy as np

from streamkm.engine import map_reduce
from streamkm.kernels import Centroids
from streamkm.passes import Lloyd
from streamkm.rows import open_rows

STEPS = 3


def noise(offset: float, dtype: str) -> np.ndarray:
    rng = np.random.default_rng(0)
    centres = 3 * rng.standard_normal((50, 16))
    rows = centres[rng.integers(50, size=data.ROWS)] + rng.standard_normal((data.ROWS, 16))
    return (rows + offset).astype(dtype)


SETS: dict[str, tuple[Callable[[], np.ndarray], int]] = {
    "digits": (data.digits, 10),
    "MNIST": (data.mnist, 100),
    "patches 8 x 8": (data.patches, 256),
    "word vectors": (data.words, 1000),
    "Landsat": (data.landsat, 16),
    "blobs, float32": (lambda: noise(0, "f4"), 50),
    "blobs at 1,000, float32": (lambda: noise(1e3, "f4"), 50),
    "blobs at 1,000,000, float64": (lambda: noise(1e6, "f8"), 50),
    "blobs of 0.001 at 1,000,000, float64": (lambda: noise(0, "f8") / 1e3 + 1e6, 50),
}


def exact(x: np.ndarray, centroids: np.ndarray, labels: np.ndarray) -> np.longdouble:
    total = np.longdouble(0)
    for start in range(0, len(x), 4096):
        part = slice(start, start + 4096)
        wide = x[part].astype(np.longdouble) - centroids[labels[part]]
        total += np.square(wide).sum()
    return total


def from_sums(x: np.ndarray, centroids: np.ndarray, labels: np.ndarray) -> float:
    origin = x.mean(axis=0, dtype=np.float64)
    centred = x - origin
    sums = np.zeros_like(centroids)
    np.add.at(sums, labels, centred)
    counts = np.bincount(labels, minlength=len(centroids))
    moved = centroids - origin
    squares = counts * np.einsum("kd,kd->k", moved, moved)
    total = float(np.einsum("nd,nd->", centred, centred))
    return total - 2 * float((moved * sums).sum()) + float(squares.sum())


def from_product(x: np.ndarray, centroids: np.ndarray, labels: np.ndarray) -> float:
    own = centroids.astype(x.dtype)[labels]
    squares, lengths = (np.einsum("nd,nd->n", a, a) for a in (x, own))
    d2 = squares - 2 * np.einsum("nd,nd->n", x, own) + lengths
    return float(np.maximum(d2, 0).sum(dtype=np.float64))


def main() -> None:
    print("| rows | n, d, k | differences | sums | product |\n|---|---|---|---|---|")
    for name, (make, k) in SETS.items():
        x = np.ascontiguousarray(make())
        x = x if x.dtype.kind == "f" else x.astype(np.float32)
        rows = open_rows(x)
        centroids = x[np.random.default_rng(1).choice(len(x), k, replace=False)].astype(np.float64)
        for _ in range(STEPS):
            centroids = map_reduce(Lloyd(centroids), rows).means(centroids)
        labels, _ = Centroids(centroids, x.dtype).nearest(x)
        true = exact(x, centroids, labels)
        found = (
            map_reduce(Lloyd(centroids), rows).inertia(centroids),
            from_sums(x, centroids, labels),
            from_product(x, centroids, labels),
        )
        errors = [f"{float(abs(value - true) / true):.0e}" for value in found]
        shape = f"{len(x):,}, {x.shape[1]}, {k:,}"
        print(f"| {name} | {shape} | {' | '.join(errors)} |", flush=True)


if __name__ == "__main__":
    main()
