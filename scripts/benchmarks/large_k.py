"""Very many clusters: time, CPU seconds, peak memory and loss after equal reads, with peers.

    scripts/bench large_k [--rows 1000000] [-k 2000,20000] [--data words,patches] [--reads 7]
    scripts/bench large_k --seedings [--methods random,two-level,k-means||,published,coreset]
        [--features 64] [--sample 16]

Rows have 384 features: the engineer's rows of `scripts/bench jobs` (words), 8 x 16 pixels of
photographs in three colours (patches), or 16 for `--data isolated`, 3,000 isolated centres; or the
first `--features` of them, which for words are those of a random rotation. Every line is a process
of its own. streamkm reads the rows from a store under `--limit`; the peers hold them in memory. All
have the same number of reads, of which streamkm's seeding takes two; one iteration is one read.
Losses are means over a sample.
`--seedings` compares seeding methods at equal reads: the loss of all rows after the seeding, which
takes some of the reads, and after each further read until `--reads`. No table of distinct rows is
used, and samples have at most `--sample` rows for each cluster (0: the default). `published` is
k-means|| as published, with two rounds, which are four reads (kmeans_parallel.py).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from data import FOLDER, photographs
from jobs import cpu, loss, peak, stored_vectors, timed
from kmeans_parallel import kmeans_parallel

SHAPE, BLOCK, COMPARED = (8, 16), 20_000, 20_000
PATCHES = FOLDER / "patches-8x16.zarr"
PROGRAMS = ("streamkm", "faiss", "SuperKmeans", "mini-batches")
METHODS = ("random", "two-level", "k-means||", "published", "coreset")
ROUNDS = 2  # of k-means|| as published, whose reads are two more


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


def isolated(n: int) -> np.ndarray:
    """Return rows of 16 features around 3,000 isolated centres."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3000, 16)) * 4
    return (centres[rng.integers(3000, size=n)] + 0.3 * rng.normal(size=(n, 16))).astype("f4")


def stored(name: str, n: int, d: int, folder: str) -> zarr.Array:
    """Return the first n rows and d features of a data set, as a store."""
    path = Path(folder, "rows.zarr")
    if name == "isolated":
        return zarr.create_array(path, data=isolated(n), chunks=(BLOCK, 16), compressors=None)
    source = zarr.open_array(stored_vectors() if name == "words" else stored_patches(), mode="r")
    if (n, d) == source.shape:
        return source
    out = zarr.create_array(
        path, shape=(n, d), chunks=(BLOCK, d), dtype="f4", compressors=None, overwrite=True
    )
    for first in range(0, n, BLOCK):
        out[first : first + BLOCK] = source[first : min(n, first + BLOCK), :d]
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


def seeded(method: str, rows: zarr.Array, k: int, asked: argparse.Namespace) -> list[float]:
    """Return the CPU seconds and the reads of a seeding, and the losses after it and more reads."""
    from streamkm.fitting import first_state, iterate
    from streamkm.rows import open_rows
    from streamkm.runs.fit_options import FitOptions
    from streamkm.runs.options import memory_bytes
    from streamkm.updates import LloydUpdate, StopRules

    began, init, taken, reads = cpu(), method, 0, asked.reads
    if method == "published":
        init, taken = kmeans_parallel(rows[:], k, ROUNDS), ROUNDS + 2
    spent, ended = cpu() - began, []
    options = FitOptions(k, init=init if isinstance(init, str) else "random")
    budget = options.budget(memory_bytes(asked.limit))
    opened = open_rows(rows, budget=budget)
    room, update = budget.room(opened.layout), LloydUpdate(StopRules(max_iter=reads, tol=0))
    room = replace(room, table=0, sample=asked.sample * k or room.sample)
    began = cpu()

    def watch(state: Any) -> None:
        if state.can_stop and not ended:
            ended.extend([spent + cpu() - began, taken + state.n_passes])

    state = iterate(opened, first_state(opened, k, init, [0], update, room), watch=[watch])
    if taken:
        ended = [spent, taken]
    losses = [step.inertia for step in state.best.history][: reads - int(ended[1]) + 1]
    return [*ended, *[float(j) / rows.shape[0] for j in losses]]


def one(asked: argparse.Namespace) -> list[float]:
    """Run one program, or one seeding method, in this process."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        rows = stored(asked.data, asked.rows, asked.features, folder)
        k = int(asked.k)
        if asked.seedings:
            return [*seeded(asked.one, rows, k, asked), peak()]
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
    parser.add_argument("--features", type=int, default=384)
    parser.add_argument("--sample", type=int, default=0)
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
    heads = "reads | CPU s | loss then, and after each read" if asked.seedings else "s | CPU s"
    print(f"| data, rows, k | name | {heads} | MiB |{'' if asked.seedings else ' loss |'}")
    for data in asked.data.split(","):
        for k in asked.k.split(","):
            for name in names:
                show(data, k, name, asked)


def show(data: str, k: str, name: str, asked: argparse.Namespace) -> None:
    """Print the line of one program, which is a process of its own."""
    given = ["--data", data, "-k", k, "--rows", str(asked.rows), "--reads", str(asked.reads)]
    given += ["--features", str(asked.features), "--sample", str(asked.sample)]
    given += ["--limit", asked.limit, "--one", name, *["--seedings"] * asked.seedings]
    began = time.perf_counter()
    done = subprocess.run([sys.executable, __file__, *given], capture_output=True, text=True)
    what = f"| {data}, {asked.rows:,}, {int(k):,} | {name} |"
    if done.returncode:
        print(what, done.stderr.strip().splitlines()[-1], flush=True)
        return
    found = json.loads(done.stdout.splitlines()[-1])
    if asked.seedings:
        seconds, reads, *losses, memory = found
        shown = " ".join(f"{j:.4f}" for j in losses)
        figures = f"{reads:.0f} | {seconds:.0f} | {shown} | {memory:,.0f}"
    else:
        seconds, used, memory, lost = found
        figures = f"{seconds:.0f} | {used:.0f} | {memory:,.0f} | {lost:.5g}"
    print(what, figures, f"| ({time.perf_counter() - began:.0f} s in all)", flush=True)


if __name__ == "__main__":
    main()
