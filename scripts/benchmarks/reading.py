"""Wall time and CPU time of a read of a store: decoding, computing, and both together.

Options: --quick for a smaller store and one k, --cold to read from the disk, not its cache.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import zarr
from zarr.codecs import BloscCodec, ZstdCodec

from streamkm.engine import map_reduce, threads
from streamkm.passes import Lloyd, Pass, Statistic
from streamkm.rows import Budget, StoredRows, open_rows

FEATURES = 64
LIMIT = 512 * 2**20  # without --quick, the stores are four times as large
LZ4 = BloscCodec(cname="lz4", typesize=4)
STORES = {
    "1 MB, none": {"chunks": 4096, "compressors": None},
    "8 MB, none": {"chunks": 32768, "compressors": None},
    "8 MB, lz4": {"chunks": 32768, "compressors": LZ4},
    "8 MB, zstd": {"chunks": 32768, "compressors": ZstdCodec(level=1)},
    "1 in 16 MB shards, none": {"chunks": 4096, "shards": 65536, "compressors": None},
    "1 in 16 MB shards, zstd": {"chunks": 4096, "shards": 65536, "compressors": ZstdCodec(level=1)},
    "16 MB, lz4": {"chunks": 65536, "compressors": LZ4},
}


@dataclass(frozen=True)
class Rows(Statistic):
    n: int = 0

    @classmethod
    def combine(cls, parts):
        return cls(sum(p.n for p in parts))


@dataclass(frozen=True)
class Count(Pass[Rows]):
    """Reads a block and computes nothing."""

    def identity(self):
        return Rows()

    def __call__(self, block):
        return Rows(block.n_rows)


def make(path: Path, n_rows: int, chunks: int, shards: int | None = None, **codec: object) -> None:
    across = None if shards is None else (shards, FEATURES)
    array = zarr.create_array(
        path,
        shape=(n_rows, FEATURES),
        chunks=(chunks, FEATURES),
        shards=across,
        dtype="f4",
        **codec,
    )
    rng = np.random.default_rng(0)
    centres = 3 * rng.standard_normal((50, FEATURES), dtype=np.float32)
    step = shards or chunks
    for start in range(0, n_rows, step):
        n = min(step, n_rows - start)
        rows = centres[rng.integers(50, size=n)] + rng.standard_normal(
            (n, FEATURES), dtype=np.float32
        )
        array[start : start + n] = np.round(rows * 16) / 16  # so that the data are compressible


def forget(path: Path) -> None:
    """Drop the store from the page cache."""
    for file in path.rglob("*"):
        if file.is_file():
            handle = os.open(file, os.O_RDONLY)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def timed(question: Pass, rows: StoredRows) -> tuple[float, float]:
    """Return the milliseconds of a read, and the CPU milliseconds of all threads."""
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    map_reduce(question, rows)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return 1e3 * wall, 1e3 * cpu


def in_memory(rows: StoredRows) -> StoredRows:
    """Return rows in memory with the same blocks, as many as fit."""
    n = min(rows.layout.n_rows, LIMIT // (4 * FEATURES))
    part = open_rows(rows.array[:n])
    edges = tuple(e for e in rows.plan.edges[0] if e < n)
    return replace(part, plan=type(rows.plan)(((*edges, n),)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--cold", action="store_true")
    options = parser.parse_args()
    n_rows = (LIMIT if options.quick else 4 * LIMIT) // (4 * FEATURES)
    ks, rounds = ((50,), 3) if options.quick else ((4, 50, 256), 3)
    print(
        f"{n_rows * FEATURES * 4 / 2**30:.1f} GiB of float32, {FEATURES} features, under 512 MiB;"
    )
    print(f"{threads()} cores; ms, median of {rounds}; cpu of all cores")
    heads = ("chunks", "decoder", "k", "decode (cpu)", "compute (cpu)", "both (cpu)", "GB/s")
    print(f"| {' | '.join(heads)} | both / slower | both / (cpu / cores) |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, how in STORES.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.zarr"
            make(path, n_rows, **how)
            os.sync()
            opened = open_rows(path, budget=Budget(LIMIT, threads(), max(ks), fits=True))
            plain = replace(opened, array=zarr.open_array(path, mode="r"))
            for rows in (plain, opened):
                theirs = type(rows.array.async_array.codec_pipeline).__module__.split(".")[0]
                if rows is opened and theirs == "zarr":
                    continue
                part = in_memory(rows)
                scale = n_rows / part.layout.n_rows
                questions = {k: Lloyd(part.array[:k].astype(np.float64)) for k in ks}
                times: dict[object, list[tuple[float, float]]] = {}
                for turn in range(rounds + 1):
                    for k, question in (("decode", Count()), *questions.items()):
                        if options.cold:
                            forget(path)
                        read = timed(question, rows)
                        spent = timed(question, part) if k != "decode" else (0.0, 0.0)
                        if turn:
                            times.setdefault(k, []).append(read)
                            times.setdefault(("memory", k), []).append(
                                (spent[0] * scale, spent[1] * scale)
                            )
                show(name, theirs, rows, ks, times)


def show(name: str, decoder: str, rows: StoredRows, ks: tuple[int, ...], times: dict) -> None:
    middle = {
        key: [statistics.median(column) for column in zip(*pairs, strict=True)]
        for key, pairs in times.items()
    }
    decode, rate = middle["decode"], rows.layout.nbytes / 1e6
    for k in ks:
        compute, both = middle["memory", k], middle[k]
        floor = (decode[1] + compute[1]) / threads()
        print(
            f"| {name} | {decoder} | {k} | {decode[0]:.0f} ({decode[1]:.0f}) | "
            f"{compute[0]:.0f} ({compute[1]:.0f}) | {both[0]:.0f} ({both[1]:.0f}) | "
            f"{rate / decode[0]:.2f} | {both[0] / max(decode[0], compute[0]):.2f} | "
            f"{both[0] / floor:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
