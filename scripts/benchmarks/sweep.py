"""The course assignment on a store of 2 GB: the reads of 400 fits with validation.

    scripts/bench sweep [--rows 7800000] [--max-iter 1]

Reads are counted as chunks that the store returns.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import zarr

import streamkm
from streamkm.fitting import describe

D = 64
CHUNK = 16384


class Counting(zarr.storage.LocalStore):
    """A store that counts the chunks it returns."""

    chunks = 0

    async def get(self, key, *args, **kwargs):
        Counting.chunks += key.startswith("c/")
        return await super().get(key, *args, **kwargs)


def made(path: Path, n: int, seed: int) -> zarr.Array:
    """Overlapping clusters, written chunk by chunk."""
    centres = np.random.default_rng(0).normal(size=(12, D)).astype(np.float32)
    store = zarr.create_array(path, shape=(n, D), chunks=(CHUNK, D), dtype="f4", compressors=None)
    for at in range(0, n, CHUNK):
        rng = np.random.default_rng([seed, at])
        size = min(CHUNK, n - at)
        noise = rng.standard_normal((size, D), dtype=np.float32)
        store[at : at + size] = centres[rng.integers(12, size=size)] + noise
    return zarr.open_array(Counting(path, read_only=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=7_800_000)
    parser.add_argument("--max-iter", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = made(Path(folder) / "train.zarr", asked.rows, 1)
        held = made(Path(folder) / "held.zarr", asked.rows // 10, 2)
        a_read = -(-data.shape[0] // CHUNK)
        began, Counting.chunks = time.perf_counter(), 0
        found = streamkm.sweep(
            data,
            range(1, 21),
            n_init=20,
            validation=held,
            max_iter=asked.max_iter,
            tol=0,
            loss_tol=1e-5,
            watch=lambda state: print(describe(state), f"{time.perf_counter() - began:.0f} s"),
        )
        seconds = time.perf_counter() - began
        chunks = Counting.chunks
        slowest = int(found["iterations"].max())
        held_chunks = -(-held.shape[0] // CHUNK)
        print(
            json.dumps(
                {
                    "bytes": data.nbytes,
                    "fits": found["iterations"].size,
                    "iterations_of_the_slowest": slowest,
                    "reads_reported": found.attrs["n_passes"],
                    "reads_measured": (chunks - held_chunks) / a_read,
                    "seconds": round(seconds),
                    "verdict": found.attrs["verdict"],
                }
            )
        )


if __name__ == "__main__":
    main()
