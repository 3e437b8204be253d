"""Final loss and reads of the defaults, against the best of ten of scikit-learn, and dask-ml.

    scripts/bench seeding [--sets A,B] [-k 10,50,256] [--seeds 2] [--kinds streamkm]
        [--init METHOD,METHOD]

The losses of scikit-learn are stored in bench-data/, because they take most of the time.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
import warnings

import dask.array as da
import numpy as np
from data import FOLDER, LARGE, SETS
from sklearn.cluster import KMeans as SklearnKMeans

from streamkm import KMeans
from streamkm.engine import map_reduce
from streamkm.fitting import first_state, iterate
from streamkm.passes import Lloyd
from streamkm.rows import Room, open_rows
from streamkm.seeding import METHODS
from streamkm.updates import AcceleratedUpdate, StopRules

BLOCKS = 16


def inertia(x: np.ndarray, centroids: np.ndarray) -> float:
    centroids = np.asarray(centroids, np.float64)
    return map_reduce(Lloyd(centroids), open_rows(x)).inertia(centroids)


def theirs(name: str, x: np.ndarray, k: int, seed: int) -> tuple[float, float]:
    """Return loss and seconds of the best of ten of scikit-learn."""
    known = FOLDER / "scikit-learn.json"
    results = json.loads(known.read_text()) if known.exists() else {}
    key = f"{name}/{k}/{seed}"
    if key not in results:
        began = time.perf_counter()
        fitted = SklearnKMeans(k, n_init=10, random_state=seed).fit(x.astype(np.float32))
        seconds = time.perf_counter() - began
        results[key] = [inertia(x, fitted.cluster_centers_), seconds]
        known.write_text(json.dumps(results, indent=1))
    return tuple(results[key][:2])


def ours(x: np.ndarray, k: int, seed: int) -> tuple[float, int, float]:
    """Return loss, reads before labelling, and seconds of the defaults."""
    began = time.perf_counter()
    fitted = KMeans(k, random_state=seed).fit(da.from_array(x, chunks=(-(-len(x) // BLOCKS), -1)))
    return fitted.inertia_, fitted.n_passes_, time.perf_counter() - began


def ours_beyond_memory(
    x: np.ndarray, k: int, seed: int, init: str = "auto", share: float = 0.1
) -> tuple[float, int, float]:
    """Return the same without memory for a table, and with a share of the rows in a summary."""
    began = time.perf_counter()
    rows, room = open_rows(x), Room(0, int(share * len(x)))
    rules = StopRules(loss_tol="auto")
    restarts = [seed + 1000 * r for r in range(10 if init == "random" else 1)]
    state = iterate(rows, first_state(rows, k, init, restarts, AcceleratedUpdate(rules), room=room))
    return state.best.inertia, state.n_passes, time.perf_counter() - began


def dask_mls(x: np.ndarray, k: int, seed: int) -> tuple[float, float, float]:
    """Return loss, reads and seconds of the defaults of dask-ml."""
    from dask_ml.cluster import KMeans as DaskKMeans

    blocks = itertools.count()

    def counted(block: np.ndarray) -> np.ndarray:
        next(blocks)
        return block

    chunked = da.from_array(x.astype(np.float32), chunks=(-(-len(x) // BLOCKS), -1))
    data = chunked.map_blocks(counted, dtype=np.float32, meta=np.empty((0, 0), np.float32))
    began = time.perf_counter()
    fitted = DaskKMeans(k, random_state=seed).fit(data)
    seconds = time.perf_counter() - began
    return inertia(x, fitted.cluster_centers_), next(blocks) / chunked.npartitions, seconds


def one_start(x: np.ndarray, k: int, seed: int) -> tuple[float, float, float]:
    """Return loss, iterations and seconds of scikit-learn with its defaults: one start."""
    began = time.perf_counter()
    fitted = SklearnKMeans(k, random_state=seed).fit(x.astype(np.float32))
    seconds = time.perf_counter() - began
    return inertia(x, fitted.cluster_centers_), fitted.n_iter_, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("-k", default="10,50,256")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--kinds", default="streamkm,one start,beyond memory,dask-ml")
    parser.add_argument("--init", help="compare these methods beyond memory instead")
    asked = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    warnings.simplefilter("ignore")
    kinds = {
        "streamkm": ours,
        "beyond memory": ours_beyond_memory,
        "dask-ml": dask_mls,
        "one start": one_start,
    }
    kinds = {name: kinds[name] for name in asked.kinds.split(",")}
    if asked.init:
        kinds = {
            name: lambda x, k, seed, name=name: ours_beyond_memory(x, k, seed, name)
            for name in asked.init.split(",")
        }
        assert set(kinds) <= {"auto", *METHODS}
    print("| data, k | best of ten: s |", *(f"{kind}: loss, reads, s |" for kind in kinds))
    print("|---|---|" + "---|" * len(kinds))
    losses: dict[str, list[float]] = {kind: [] for kind in kinds}
    reads: dict[str, list[float]] = {kind: [] for kind in kinds}
    for name, k in itertools.product(asked.sets.split(","), map(int, asked.k.split(","))):
        x = (SETS | LARGE)[name]()
        cells: dict[str, list[tuple[float, float, float]]] = {kind: [] for kind in kinds}
        spent = []
        for seed in range(asked.seeds):
            best, seconds = theirs(name, x, k, seed)
            spent.append(seconds)
            for kind, call in kinds.items():
                loss, read, seconds = call(x, k, seed)
                cells[kind].append((loss / best, read, seconds))
                losses[kind].append(loss / best)
                reads[kind].append(read)
        shown = (
            "{:.4f} ({:.4f}), {:.0f}, {:.1f}".format(
                np.median(c := np.array(rows), axis=0)[0], c[:, 0].max(), *np.median(c, axis=0)[1:]
            )
            for rows in cells.values()
        )
        print(
            f"| {name}, {k} | {np.median(spent):.1f} |",
            *(f"{cell} |" for cell in shown),
            flush=True,
        )
    for kind in kinds:
        print(
            f"{kind}: loss {np.median(losses[kind]):.5f} in the median, "
            f"{max(losses[kind]):.4f} at most; "
            f"reads {np.median(reads[kind]):.1f} in the median, {max(reads[kind]):.0f} at most"
        )


if __name__ == "__main__":
    main()
