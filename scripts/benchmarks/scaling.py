"""Scaling: with the rows on disk, and with the workers in memory."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from data import stored_mixture
from peers import a_step, two_fits
from processes import CORES, alone, peak, process

K, STEPS, LIMIT = 50, 8, "600MiB"


def a_fit(path: Path) -> tuple[float, int]:
    """Return seconds and peak bytes of a fit of `steps` steps from given centroids."""
    import zarr

    from streamkm import KMeans

    rng = np.random.default_rng(1)
    store = zarr.open_array(path, mode="r")
    # The limit prevents caching of the store in memory; every step takes a read.
    options = {"memory_limit": LIMIT, "algorithm": "lloyd", "loss_tol": None}
    fit = KMeans(K, init=store[:K], max_iter=1, tol=0, **options)
    warm = rng.standard_normal((100_000, store.shape[1]), dtype=np.float32)
    fit.fit(zarr.create_array({}, data=warm, chunks=(20_000, store.shape[1])))
    began = time.perf_counter()
    fit.set_params(max_iter=STEPS).fit(store)
    return time.perf_counter() - began, peak()


def twice_the_rows(quick: bool) -> dict[str, Any]:
    n, rounds = (1_000_000, 3) if quick else (3_000_000, 3)
    seconds: dict[int, list[float]] = {n: [], 2 * n: []}
    peaks: dict[int, list[int]] = {n: [], 2 * n: []}
    with tempfile.TemporaryDirectory() as folder:
        stores = {rows: stored_mixture(Path(folder) / f"{rows}.zarr", rows) for rows in seconds}
        for _ in range(rounds):
            for rows, path in stores.items():
                spent, held = alone(a_fit, path)
                seconds[rows].append(spent)
                peaks[rows].append(held)
    return {
        "rows": [n, 2 * n],
        "seconds": list(seconds.values()),
        "peaks": list(peaks.values()),
        "ratio": statistics.median(b / a for a, b in zip(*seconds.values(), strict=True)),
        "peak ratio": statistics.median(b / a for a, b in zip(*peaks.values(), strict=True)),
    }


def with_workers(workers: int, shape: tuple[int, int, int, str]) -> tuple[float, float, float]:
    import dask

    with dask.config.set(num_workers=workers):
        return two_fits("streamkm", shape, STEPS)


def twice_the_workers(quick: bool) -> dict[str, Any]:
    shape, rounds = (250_000 if quick else 1_000_000, 64, 256, "float32"), 3 if quick else 7
    fits: dict[int, list[tuple[float, float, float]]] = {1: [], CORES: []}
    with process() as one:
        for turn in range(rounds + 1):
            for workers, spent in fits.items():
                found = one.submit(with_workers, workers, shape).result()
                if turn:
                    spent.append(found)
    seconds = {workers: a_step(found, STEPS) for workers, found in fits.items()}
    pairs = zip(*seconds.values(), strict=True)
    return {
        "shape": shape,
        "workers": list(seconds),
        "seconds": list(seconds.values()),
        "speedup": statistics.median(one / all_ for one, all_ in pairs),
    }


def run(quick: bool) -> dict[str, Any]:
    return {"rows": twice_the_rows(quick), "workers": twice_the_workers(quick)}
