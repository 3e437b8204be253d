"""Very many clusters: time, CPU seconds, peak memory and loss after equal reads, with peers.

    scripts/bench large_k [--rows 1000000] [-k 2000,20000] [--data words,patches] [--reads 7]
    scripts/bench large_k --seedings [--methods random,two-level,k-means||,coreset]

Rows have 384 features: the engineer's rows of `scripts/bench jobs` (words), or 8 x 16 pixels of
photographs in three colours (patches). Every line is a process of its own. streamkm reads the rows
from a store under `--limit`; the peers hold them in memory. All have the same number of reads, of
which streamkm's seeding takes two; one iteration is one read. Losses are means over a sample.
`--seedings` compares seeding methods: the loss after the seeding and after each of five reads.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from data import FOLDER, photographs
from jobs import cpu, loss, peak, stored_vectors, timed

SHAPE, BLOCK, COMPARED = (8, 16), 20_000, 20_000
PATCHES = FOLDER / "patches-8x16.zarr"
PROGRAMS = ("streamkm", "faiss", "SuperKmeans", "mini-batches")
METHODS = ("random", "two-level", "k-means||", "coreset")


def stored_patches() -> Path:
    """Write a million patches once, in random order."""
    if not PATCHES.exists():
        from PIL import Image

        rng, found = np.random.default_rng(0), []
        each = -(-1_000_000 // len(photographs()))
        for path in photographs():
            image = Image.open(path).convert("RGB")
            image.thumbnail((1600, 1600))
            windows = np.lib.stride_tricks.sliding_window_view(np.asarray(image), SHAPE, (0, 1))
            at = [rng.integers(size, size=each) for size in windows.shape[:2]]
            found.append(windows[at[0], at[1]].reshape(each, -1))
        rows = np.concatenate(found)[rng.permutation(each * len(found))[:1_000_000]]
        partial = PATCHES.with_suffix(".partial")
        chunks = (BLOCK, rows.shape[1])
        zarr.create_array(partial, data=rows.astype("f4"), chunks=chunks, compressors=None)
        partial.rename(PATCHES)
    return PATCHES


def stored(name: str, n: int, folder: str) -> zarr.Array:
    """Return the first n rows of a data set, as a store."""
    source = zarr.open_array(stored_vectors() if name == "words" else stored_patches(), mode="r")
    if n == source.shape[0]:
        return source
    path = Path(folder, "rows.zarr")
    out = zarr.create_array(
        path,
        shape=(n, source.shape[1]),
        chunks=(BLOCK, source.shape[1]),
        dtype="f4",
        compressors=None,
    )
    for first in range(0, n, BLOCK):
        out[first : first + BLOCK] = source[first : min(n, first + BLOCK)]
    return out


def ours(rows: zarr.Array, k: int, reads: int, limit: str) -> np.ndarray:
    from streamkm import KMeans

    model = KMeans(
        k, max_iter=max(1, reads - 2), tol=0, loss_tol=None, memory_limit=limit, random_state=0
    )
    return np.asarray(model.fit(rows).cluster_centers_)


def faiss(rows: zarr.Array, k: int, reads: int, name: str) -> np.ndarray:
    import faiss

    x = rows[:]
    all_rows = {"max_points_per_centroid": len(x), "min_points_per_centroid": 1}
    fitted = getattr(faiss, name)(x.shape[1], k, niter=reads, **all_rows)
    fitted.train(x)
    return np.asarray(fitted.centroids)


def mini_batches(rows: zarr.Array, k: int, reads: int) -> np.ndarray:
    from sklearn.cluster import MiniBatchKMeans

    rules: dict[str, Any] = {"max_iter": reads, "max_no_improvement": None, "compute_labels": False}
    fitted = MiniBatchKMeans(k, batch_size=max(8192, k), random_state=0, n_init=1, **rules)
    return np.asarray(fitted.fit(rows[:]).cluster_centers_)


def fitted(program: str, rows: zarr.Array, k: int, reads: int, limit: str) -> np.ndarray:
    if program == "streamkm":
        return ours(rows, k, reads, limit)
    if program == "mini-batches":
        return mini_batches(rows, k, reads)
    return faiss(rows, k, reads, "Kmeans" if program == "faiss" else program)


def seeded(method: str, rows: zarr.Array, k: int, limit: str) -> list[float]:
    """Return the CPU seconds of a seeding, and the losses after it and after reads."""
    from streamkm.fitting import first_state, iterate
    from streamkm.rows import open_rows
    from streamkm.runs.options import FitOptions, memory_bytes
    from streamkm.updates import LloydUpdate, StopRules

    budget = FitOptions(k, init=method).budget(memory_bytes(limit))
    opened = open_rows(rows, budget=budget)
    room, update = budget.room(opened.layout), LloydUpdate(StopRules(max_iter=5, tol=0))
    began, ended = cpu(), []

    def watch(state: Any) -> None:
        if state.can_stop and not ended:
            ended.append(cpu() - began)

    state = iterate(opened, first_state(opened, k, method, [0], update, room), watch=[watch])
    losses = [step.inertia for step in state.best.history]
    return [*ended, *[float(j) / rows.shape[0] for j in (*losses, state.best.inertia)]]


def one(asked: argparse.Namespace) -> list[float]:
    """Run one program, or one seeding method, in this process."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        rows = stored(asked.data, asked.rows, folder)
        k = int(asked.k)
        if asked.seedings:
            return [*seeded(asked.one, rows, k, asked.limit), peak()]
        few = rows[:2000]  # loads and compiles what is not counted
        fitted(asked.one, zarr.array(few), 64, 3, asked.limit)
        cost, centroids = timed(lambda: fitted(asked.one, rows, k, asked.reads, asked.limit))
        memory = peak()
        some = rows[:][:: max(1, rows.shape[0] // COMPARED)]
        return [*cost, memory, loss(some, centroids)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("-k", default="2000,20000")
    parser.add_argument("--data", default="words,patches")
    parser.add_argument("--reads", type=int, default=7)
    parser.add_argument("--limit", default="4GiB")
    parser.add_argument("--programs", default=",".join(PROGRAMS))
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--seedings", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(one(asked)))
        return
    names = (asked.methods if asked.seedings else asked.programs).split(",")
    heads = "CPU s of seeding | loss after 0, 1, ... 5 reads" if asked.seedings else "s | CPU s"
    print(f"| data, rows, k | name | {heads} | MiB |{'' if asked.seedings else ' loss |'}")
    for data in asked.data.split(","):
        for k in asked.k.split(","):
            for name in names:
                show(data, k, name, asked)


def show(data: str, k: str, name: str, asked: argparse.Namespace) -> None:
    """Print the line of one program, which is a process of its own."""
    given = ["--data", data, "-k", k, "--rows", str(asked.rows), "--reads", str(asked.reads)]
    given += ["--limit", asked.limit, "--one", name, *["--seedings"] * asked.seedings]
    began = time.perf_counter()
    done = subprocess.run([sys.executable, __file__, *given], capture_output=True, text=True)
    what = f"| {data}, {asked.rows:,}, {int(k):,} | {name} |"
    if done.returncode:
        print(what, done.stderr.strip().splitlines()[-1], flush=True)
        return
    found = json.loads(done.stdout.splitlines()[-1])
    if asked.seedings:
        seconds, *losses, memory = found
        figures = f"{seconds:.0f} | {' '.join(f'{j:.4f}' for j in losses)} | {memory:,.0f}"
    else:
        seconds, used, memory, lost = found
        figures = f"{seconds:.0f} | {used:.0f} | {memory:,.0f} | {lost:.5g}"
    print(what, figures, f"| ({time.perf_counter() - began:.0f} s in all)", flush=True)


if __name__ == "__main__":
    main()
