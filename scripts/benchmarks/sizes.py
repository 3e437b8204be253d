"""Clusters of bounded size from disk, beside an unbounded fit and k-means-constrained.

    scripts/bench sizes [--rows 1000000] [--features 32] [--clusters 100] [--slack 1.05]
                        [--memory-limit 1GiB]
    scripts/bench sizes --small     # 2,000 and 5,000 rows, also by k-means-constrained

Rows are drawn from overlapping clusters of uneven weights. The largest cluster may have `slack`
times the mean size. Losses are relative to the unbounded fit. `--small` needs k-means-constrained.
"""

from __future__ import annotations

import argparse
import math
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import zarr

import streamkm
from streamkm.sizes import parse_bytes

CHUNK = 16384


def made(path: Path, n: int, k: int, d: int = 32) -> zarr.Array:
    """Rows of k clusters, written chunk by chunk."""
    rng = np.random.default_rng(0)
    centres = 1.2 * rng.normal(size=(k, d)).astype(np.float32)
    shares = rng.dirichlet(np.full(k, 2.0))
    store = zarr.create_array(path, shape=(n, d), chunks=(CHUNK, d), dtype="f4", compressors=None)
    for at in range(0, n, CHUNK):
        own = np.random.default_rng([1, at])
        size = min(CHUNK, n - at)
        noise = own.standard_normal((size, d), dtype=np.float32)
        store[at : at + size] = centres[own.choice(k, size, p=shares)] + noise
    return store


def from_disk(asked: argparse.Namespace) -> None:
    n, k = asked.rows, asked.clusters
    most = math.ceil(asked.slack * n / k)
    with tempfile.TemporaryDirectory() as folder:
        data = made(Path(folder) / "x.zarr", n, k, asked.features)
        common = {"random_state": 0, "memory_limit": parse_bytes(asked.memory_limit)}
        free = streamkm.KMeans(k, **common).fit(data)
        began, cpu = time.perf_counter(), time.process_time()
        fitted = streamkm.KMeans(k, max_size=most, **common).fit(data)
        sizes = np.zeros(k, np.int64)
        for block in fitted.labels_.blocks:
            sizes += np.bincount(block.compute(), minlength=k)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    times = f"{seconds:.0f} s, {cpu:.0f} s of CPU time"
    print(f"{n:,} rows, k={k}, at most {most:,} rows: {times}, peak {peak:.2f} GiB")
    print(
        f"reads: { ({p: c['reads'] for p, c in fitted.reads_.items()}) }, unbounded {free.reads_}"
    )
    print(f"largest / mean: {sizes.max() * k / n:.4f}, unbounded {free.counts_.max() * k / n:.2f}")
    print(f"loss: +{100 * (fitted.inertia_ / free.inertia_ - 1):.2f} %")
    print(f"same centroids: +{100 * (fitted.inertia_ / fitted.unbounded_inertia_ - 1):.2f} %")


def small() -> None:
    from k_means_constrained import KMeansConstrained

    for n, k in ((2000, 20), (5000, 50)):
        with tempfile.TemporaryDirectory() as folder:
            x = made(Path(folder) / "x.zarr", n, k)[:]
        low, high = int(0.9 * n / k), math.ceil(1.05 * n / k)
        free = streamkm.KMeans(k, random_state=0).fit(x)
        began = time.perf_counter()
        ours = streamkm.KMeans(k, random_state=0, min_size=low, max_size=high).fit(x)
        middle = time.perf_counter()
        theirs = KMeansConstrained(k, size_min=low, size_max=high, random_state=0).fit(x)
        seconds = (middle - began, time.perf_counter() - middle)
        for name, model, took in zip(("ours", "theirs"), (ours, theirs), seconds, strict=True):
            sizes = np.bincount(model.labels_, minlength=k)
            loss = 100 * (model.inertia_ / free.inertia_ - 1)
            print(f"{n:,} rows, k={k}, {name}: +{loss:.2f} %, sizes {sizes.min()} to {sizes.max()}")
            print(f"    in {took:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=32)
    parser.add_argument("--clusters", type=int, default=100)
    parser.add_argument("--slack", type=float, default=1.05)
    parser.add_argument("--memory-limit", default="1GiB")
    parser.add_argument("--small", action="store_true")
    asked = parser.parse_args()
    small() if asked.small else from_disk(asked)


if __name__ == "__main__":
    main()
