"""What is measured of streamkm, interleaved in one run; the figures of docs/benchmarks.md."""

from __future__ import annotations

import statistics
import tempfile
import time
import warnings

import dask.array as da
import numpy as np
import zarr
from dask.callbacks import Callback
from sklearn.cluster import KMeans as SklearnKMeans

from streamkm.engine import map_reduce
from streamkm.errors import ManyBlocksWarning
from streamkm.passes import Lloyd
from streamkm.rows import BlockPlan, StoredRows, open_rows

ROUNDS = 5
SHAPES = [
    (8_000_000, 3, 16),
    (8_000_000, 3, 256),
    (4_000_000, 12, 20),
    (1_000_000, 64, 256),
    (500_000, 128, 1024),
    (60_000, 784, 100),
]


class FirstTask(Callback):
    """The moment the first block begins."""

    def __init__(self) -> None:
        super().__init__(pretask=self._seen)
        self.at: float | None = None

    def _seen(self, key: object, *_: object) -> None:
        if self.at is None and isinstance(key, tuple) and str(key[0]).endswith("-block"):
            self.at = time.perf_counter()


def until_first_task(rows: object, n_blocks: int) -> tuple[float, float]:
    """Milliseconds a block from the call to the first task, and of the whole read."""
    question = Lloyd(np.zeros((2, 2)))
    with FirstTask() as first:
        began = time.perf_counter()
        map_reduce(question, rows)
        ended = time.perf_counter()
    return 1e3 * (first.at - began) / n_blocks, 1e3 * (ended - began) / n_blocks


def graphs() -> None:
    print("\n## Graphs: ms a block (2 rows x 2 features each), median of", ROUNDS)
    print("| rows | blocks | until the first task | whole read |")
    print("|---|---|---|---|")
    warnings.simplefilter("ignore", ManyBlocksWarning)
    with tempfile.TemporaryDirectory() as folder:
        for n in (1_000, 100_000):
            store = zarr.create_array(f"{folder}/{n}", shape=(2 * n, 2), chunks=(2, 2), dtype="f4")
            opened = open_rows(store)
            plan = BlockPlan(((*range(0, 2 * n, 2), 2 * n),))
            kinds = {
                "Zarr store": StoredRows(store, opened.layout, plan),
                "Dask array": open_rows(da.zeros((2 * n, 2), chunks=(2, 2)) + 1),
            }
            for name, rows in kinds.items():
                rounds = [until_first_task(rows, n) for _ in range(ROUNDS if n < 1e5 else 1)]
                first, whole = (statistics.median(column) for column in zip(*rounds, strict=True))
                print(f"| {name} | {n:,} | {first:.4f} | {whole:.3f} |", flush=True)


def iterations() -> None:
    print("\n## One Lloyd iteration, float32 in memory, all cores: ms, median (min-max) of", ROUNDS)
    print("| n, d, k | scikit-learn | streamkm | ratio |")
    print("|---|---|---|---|")
    for n, d, k in SHAPES:
        rng = np.random.default_rng(0)
        x = rng.standard_normal((n, d), dtype=np.float32)
        centroids = x[:k].astype(np.float64)
        rows = open_rows(x)
        times: dict[str, list[float]] = {"theirs": [], "ours": []}
        for _ in range(ROUNDS + 1):
            began = time.perf_counter()
            map_reduce(Lloyd(centroids), rows)
            times["ours"].append(time.perf_counter() - began)
            spent = []
            for steps in (1, 4):  # the difference is three iterations without their set-up
                began = time.perf_counter()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    SklearnKMeans(k, init=x[:k], n_init=1, max_iter=steps, tol=0, copy_x=False).fit(
                        x
                    )
                spent.append(time.perf_counter() - began)
            times["theirs"].append((spent[1] - spent[0]) / 3)
        cells = []
        for column in times.values():
            kept = [1e3 * t for t in column[1:]]
            cells.append(f"{statistics.median(kept):.0f} ({min(kept):.0f}-{max(kept):.0f})")
        pairs = zip(times["theirs"][1:], times["ours"][1:], strict=True)
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"| {n:,}, {d}, {k} | {cells[0]} | {cells[1]} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    graphs()
    iterations()
