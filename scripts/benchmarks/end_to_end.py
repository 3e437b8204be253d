"""From data on disk to centroids: loss, time, memory and bytes read, each fit in its own process.

streamkm runs as a command with default options, under a limit of 500 MB. scikit-learn's KMeans runs
in memory, with default options and as the best of ten restarts, and its MiniBatchKMeans chunk by
chunk, in another order in each epoch.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from data import FOLDER, patches, stored, stored_mixture
from peers import loss
from processes import alone, peak

from streamkm.models.storage import load_model

LIMIT = 500_000_000
# The centres are 2.8 standard deviations apart, so Lloyd needs many iterations.
SPREAD = 0.25
Found = dict[str, Any]


def streamkm(path: Path, k: int, seed: int) -> Found:
    """The seconds include the whole command, from the start of Python to the model on disk."""
    with tempfile.TemporaryDirectory() as folder:
        model = f"{folder}/model.zarr"
        command = [sys.executable, "-m", "streamkm", "fit", str(path), "-k", str(k), "-o", model]
        command += ["--seed", str(seed), "--memory-limit", str(LIMIT), "--json"]
        began = time.perf_counter()
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - began
        if said.returncode:
            return {"failed": said.stderr.strip().splitlines()[-1]}
        result = json.loads(said.stdout)
        return {
            "seconds": seconds,
            "peak": result["peak_memory_bytes"],
            "bytes": result["bytes_read"],
            "steps": result["iterations"],
            "centroids": load_model(model).centroids,
        }


def scikit_learn(path: Path, k: int, seed: int, n_init: int | str = "auto") -> Found:
    """The seconds include the fit alone, without loading the data."""
    from sklearn.cluster import KMeans

    x = zarr.open_array(path, mode="r")[...]
    began = time.perf_counter()
    fitted = KMeans(k, n_init=n_init, random_state=seed).fit(x)
    return {
        "seconds": time.perf_counter() - began,
        "peak": peak(),
        "bytes": x.nbytes,
        "steps": fitted.n_iter_,
        "centroids": fitted.cluster_centers_,
    }


def best_of_ten(path: Path, k: int, seed: int) -> Found:
    return scikit_learn(path, k, seed, 10)


def mini_batch(path: Path, k: int, seed: int, epochs: int = 1) -> Found:
    from sklearn.cluster import MiniBatchKMeans

    store = zarr.open_array(path, mode="r")
    rng = np.random.default_rng(seed)
    fitted = MiniBatchKMeans(k, random_state=seed)
    began = time.perf_counter()
    size = store.chunks[0]
    for _ in range(epochs):
        for chunk in rng.permutation(-(-store.shape[0] // size)):
            fitted.partial_fit(store[chunk * size : (chunk + 1) * size])
    return {
        "seconds": time.perf_counter() - began,
        "peak": peak(),
        "bytes": epochs * store.nbytes,
        "steps": epochs,
        "centroids": fitted.cluster_centers_,
    }


def two_epochs(path: Path, k: int, seed: int) -> Found:
    return mini_batch(path, k, seed, 2)


METHODS: dict[str, Callable[[Path, int, int], Found]] = {
    "streamkm": streamkm,
    "scikit-learn": scikit_learn,
    "scikit-learn, best of ten": best_of_ten,
    "MiniBatchKMeans, one epoch": mini_batch,
    "MiniBatchKMeans, two epochs": two_epochs,
}


def arbiter(path: Path, centroids: np.ndarray) -> float:
    """Return the loss of all rows, in float64, chunk by chunk."""
    store = zarr.open_array(path, mode="r")
    rows = range(0, store.shape[0], store.chunks[0])
    return sum(loss(store[at : at + store.chunks[0]], centroids) for at in rows)


def sets(folder: Path, quick: bool) -> Iterator[tuple[str, Path, int]]:
    n = 300_000 if quick else 3_000_000
    yield f"mixture {n:,} x 64, k=50", stored_mixture(folder / "mixture.zarr", n, spread=SPREAD), 50
    x = patches(2 if quick else 1)
    yield f"patches {len(x):,} x 192, k=64", stored(folder / "patches.zarr", x), 64


def run(quick: bool) -> Iterator[dict[str, Any]]:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        for name, path, k in sets(Path(folder), quick):
            streamkm(path, k, 0)  # compile the kernels once
            for seed in range(1 if quick else 3):
                for method, call in METHODS.items():
                    if method == "scikit-learn, best of ten" and (quick or seed):  # minutes
                        continue
                    found = alone(call, path, k, seed)
                    if "failed" not in found:
                        found["loss"] = alone(arbiter, path, found.pop("centroids"))
                    yield {"data": name, "method": method, "seed": seed} | found
