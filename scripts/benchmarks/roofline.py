"""Best rates of the machine: matrix products, reads of memory, and decoding of chunks."""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import zarr
from processes import CORES, process
from threadpoolctl import threadpool_limits

SIDE = 2048
ROUNDS = 5
CHUNK = 8 * 2**20
CODECS = {
    "uncompressed": None,
    "lz4": zarr.codecs.BloscCodec(cname="lz4", clevel=5),
    "zstd": zarr.codecs.ZstdCodec(level=3),
}


@lru_cache
def _square(dtype: str) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((SIDE, SIDE)).astype(dtype)


@lru_cache
def _stream() -> np.ndarray:
    return np.ones(2**28, np.float32)  # 1 GiB


def rates() -> dict[str, float]:
    """Return flop/s in both precisions (a multiply-add counts two), and bytes/s, on all cores."""
    found = {}
    for dtype in ("float32", "float64"):
        square = _square(dtype)
        began = time.perf_counter()
        square @ square
        found[dtype] = 2 * SIDE**3 / (time.perf_counter() - began)
    stream = _stream()
    parts = np.array_split(stream, CORES)
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(CORES) as pool:
        began = time.perf_counter()
        list(pool.map(lambda part: np.dot(part, part), parts))
        found["memory"] = stream.nbytes / (time.perf_counter() - began)
    return found


def best(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Return the best rates, because a floor is the best of the machine, not its median."""
    return {name: max(one[name] for one in rounds) for name in rounds[0]}


def floor(rates: dict[str, float], n: int, d: int, k: int, dtype: str) -> float:
    """Return the least seconds of an iteration: its products, or one read of its rows."""
    product = rates["float64" if dtype == "float64" else "float32"]
    return max(2 * n * d * k / product, n * d * np.dtype(dtype).itemsize / rates["memory"])


def _decoded(chunks: int) -> dict[str, float]:
    """Return bytes/s of decoding chunks of 8 MiB from the page cache, on all cores."""
    rng = np.random.default_rng(0)
    found: dict[str, list[float]] = {name: [] for name in CODECS}
    rows = CHUNK // 256
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(CORES) as pool:
        stores = {}
        for name, codec in CODECS.items():
            stores[name] = zarr.create_array(
                f"{folder}/{name}",
                shape=(chunks * rows, 64),
                chunks=(rows, 64),
                dtype="f4",
                compressors=codec,
            )
        for at in range(0, chunks * rows, rows):
            values = np.round(rng.standard_normal((rows, 64), dtype=np.float32) * 64) / 64
            for store in stores.values():
                store[at : at + rows] = values
        for _ in range(ROUNDS):
            for name, store in stores.items():
                read = lambda at, store=store: store[at : at + rows].nbytes  # noqa: E731
                began = time.perf_counter()
                size = sum(pool.map(read, range(0, chunks * rows, rows)))
                found[name].append(size / (time.perf_counter() - began))
    return {name: max(rounds) for name, rounds in found.items()}


def run(quick: bool) -> dict[str, Any]:
    with process() as one:
        machine = best([one.submit(rates).result() for _ in range(ROUNDS)])
        return machine | {"decode": one.submit(_decoded, 16 if quick else 64).result()}
