"""The overhead of a block: until the first task runs, and in a complete read."""

from __future__ import annotations

import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator
from typing import Any

import dask.array as da
import numpy as np
import zarr
from dask.callbacks import Callback

from streamkm.engine import map_reduce
from streamkm.errors import ManyBlocksWarning
from streamkm.passes import Lloyd
from streamkm.rows import BlockPlan, StoredRows, open_rows

ROUNDS = 5


class FirstTask(Callback):
    """The time at which the first block starts."""

    def __init__(self) -> None:
        super().__init__(pretask=self._seen)
        self.at: float | None = None

    def _seen(self, key: object, *_: object) -> None:
        if self.at is None and isinstance(key, tuple) and str(key[0]).endswith("-block"):
            self.at = time.perf_counter()


def until_first_task(rows: object, n_blocks: int) -> tuple[float, float]:
    """Return milliseconds per block from the call to the first task, and of the whole read."""
    question = Lloyd(np.zeros((2, 2)))
    with FirstTask() as first:
        began = time.perf_counter()
        map_reduce(question, rows)
        ended = time.perf_counter()
    return 1e3 * (first.at - began) / n_blocks, 1e3 * (ended - began) / n_blocks


def run(quick: bool) -> Iterator[dict[str, Any]]:
    """Measure blocks of two rows of two features."""
    warnings.simplefilter("ignore", ManyBlocksWarning)
    with tempfile.TemporaryDirectory() as folder:
        for n in (1_000,) if quick else (1_000, 100_000):
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
                yield {"rows": name, "blocks": n, "first task": first, "whole read": whole}
