"""Semantic deduplication, compared with brute force.

    scripts/bench dedup [--rows 50000] [--features 384] [--clusters 100] [--threshold 0.9]

A third of the rows are copies of others with noise of various sizes. The kept rows are compared
with those of all pairs of each cluster in float64, one row after another. The pairs of all rows, in
float32, show how many similar pairs are in one cluster.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import zarr

import streamkm


def rows_of(n: int, d: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    x = (
        rng.normal(size=(n, d)) * np.arange(1, d + 1) ** -0.5
        + rng.normal(size=(30, d))[rng.integers(30, size=n)] * np.arange(1, d + 1) ** -0.5
    )
    copies = rng.choice(n, n // 3, replace=False)
    noise = rng.normal(size=(len(copies), d)) * np.arange(1, d + 1) ** -0.5
    x[copies] = x[rng.integers(n, size=len(copies))] + noise * rng.uniform(0, 1, (len(copies), 1))
    return x.astype(np.float32)


def kept_of(rows: np.ndarray, threshold: float) -> np.ndarray:
    """Return the places of the rows that are kept, from all pairs in float64."""
    unit = rows / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    near, kept = unit @ unit.T >= threshold, list[int]()
    for row in range(len(rows)):
        if not near[row, kept].any():
            kept.append(row)
    return np.array(kept, np.int64)


def pairs_of(x: np.ndarray, labels: np.ndarray, threshold: float) -> tuple[int, int]:
    """Return the number of similar pairs, and of those in one cluster."""
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    total = together = 0
    for start in range(0, len(x), 2000):
        part = unit[start : start + 2000] @ unit[start:].T >= threshold
        rows, others = np.nonzero(np.triu(part, 1))
        total += len(rows)
        together += int((labels[start + rows] == labels[start + others]).sum())
    return total, together


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--features", type=int, default=384)
    parser.add_argument("--clusters", type=int, default=100)
    parser.add_argument("--threshold", type=float, default=0.9)
    given = parser.parse_args()
    x = rows_of(given.rows, given.features)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        zarr.create_array(folder / "x.zarr", data=x, chunks=(2000, given.features))
        model = streamkm.SphericalKMeans(given.clusters, random_state=0, max_iter=10)
        model.fit(str(folder / "x.zarr"))
        began = time.perf_counter()
        parts = streamkm.partition(model, str(folder / "x.zarr"), folder / "p.zarr")
        middle = time.perf_counter()
        found = streamkm.dedup(parts, folder / "keep.npy", threshold=given.threshold)
        end = time.perf_counter()
        keep, expected = np.array(found.keep), np.zeros(given.rows, bool)
        labels = np.empty(given.rows, np.int64)
        for cluster, rows, numbers in parts:
            own = np.asarray(numbers)
            expected[own[kept_of(np.asarray(rows), given.threshold)]] = True
            labels[own] = cluster
    total, together = pairs_of(x, labels, given.threshold)
    print(f"partition {middle - began:.1f} s, deduplication {end - middle:.1f} s")
    print(f"dropped {found.n_dropped:,} of {given.rows:,}; brute force {np.sum(~expected):,}")
    print(f"rows that differ from brute force: {np.sum(keep != expected):,}")
    print(f"similar pairs {total:,}, of which {together / max(total, 1):.1%} are in one cluster")


if __name__ == "__main__":
    main()
