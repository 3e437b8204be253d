"""Very many blocks: time per block, and the memory of the client and the scheduler.

scripts/bench scale [--full]: up to 10^4 blocks on a cluster, or 10^5.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import warnings

import dask.array as da
import numpy as np
import zarr

from streamkm.cli.common import peak_memory
from streamkm.engine import map_reduce
from streamkm.errors import ManyBlocksWarning
from streamkm.passes import Lloyd
from streamkm.rows import BlockPlan, StoredRows, open_rows

COUNTS = (1_000, 10_000, 100_000)


def rows_of(kind: str, n: int, folder: str) -> object:
    """Return blocks of two rows, whose time is the overhead of a block."""
    warnings.simplefilter("ignore", ManyBlocksWarning)
    if kind == "Dask array":
        return open_rows(da.zeros((2 * n, 2), chunks=(2, 2)) + 1)
    store = zarr.create_array(f"{folder}/x", shape=(2 * n, 2), chunks=(2, 2), dtype="f4")
    return StoredRows(store, open_rows(store).layout, BlockPlan(((*range(0, 2 * n, 2), 2 * n),)))


def one(kind: str, where: str, n: int) -> None:
    """Measure one read in its own process."""
    question = Lloyd(np.zeros((50, 2)))
    with tempfile.TemporaryDirectory() as folder:
        if where == "cluster":
            from distributed import Client, LocalCluster

            with (
                LocalCluster(2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as made,
                Client(made),
            ):
                facts = timed(question, rows_of(kind, n, folder), rows_of(kind, 64, folder + "/w"))
        else:
            facts = timed(question, rows_of(kind, n, folder), rows_of(kind, 64, folder + "/w"))
    print(json.dumps(facts))


def timed(question: Lloyd, rows: object, warm: object) -> dict[str, float]:
    map_reduce(question, warm)
    before, began = peak_memory(), time.perf_counter()
    map_reduce(question, rows)
    return {
        "ms": 1e3 * (time.perf_counter() - began) / rows.plan.n_blocks,
        "grown": (peak_memory() - before) / 2**20,
        "peak": peak_memory() / 2**20,
    }


def main() -> None:
    full = "--full" in sys.argv
    print(
        "One read of blocks of two rows, k=50. The peak is that of the client process, which on a"
    )
    print("cluster of two workers includes the scheduler. The growth is that since a warm-up.")
    print("| rows | where | blocks | ms per block | peak MiB | growth MiB |")
    print("|---|---|---|---|---|---|")
    for where in ("threads", "cluster"):
        for kind in ("Zarr store", "Dask array"):
            for n in COUNTS:
                if where == "cluster" and n == COUNTS[-1] and not full:
                    continue
                command = [sys.executable, __file__, "--one", kind, where, str(n)]
                run = subprocess.run(command, check=True, capture_output=True, text=True)
                facts = json.loads(run.stdout.splitlines()[-1])
                print(
                    f"| {kind} | {where} | {n:,} | {facts['ms']:.2f} | {facts['peak']:.0f} "
                    f"| {facts['grown']:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
