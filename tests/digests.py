"""Fits with frozen results, so that any change of their bits is detected.

Rows are multiples of 1/16 of a few bits, so float64 sums them exactly in any order, and centroids
are the same on every processor. Losses are rounded to ten digits.

Run as a script, it prints the digests in the form of ``tests/digests.json``.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import zarr

import streamkm
from streamkm.fitting import first_state, iterate, label
from streamkm.images import compress
from streamkm.rows import Room, open_rows
from streamkm.updates import AcceleratedUpdate, StopRules

RNG = np.random.default_rng(7)
CENTERS = RNG.integers(-40, 40, (6, 5))
ROWS = np.round(16 * (CENTERS[RNG.integers(0, 6, 30_000)] + 4 * RNG.normal(size=(30_000, 5)))) / 16
WEIGHTS = RNG.integers(0, 4, len(ROWS)).astype(np.float64)
MASK = RNG.random(len(ROWS)) < 0.8
PIXELS = RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8)
CHUNKS = (2500, 5)


def digest(model: Any, labels: Any) -> str:
    """A digest of labels, centroids and history of a fit."""
    found = hashlib.sha256(np.ascontiguousarray(labels, np.int64).tobytes())
    found.update(np.ascontiguousarray(model.cluster_centers_ + 0.0).tobytes())
    facts = [f"{model.inertia_:.10e}", model.n_passes_]
    facts += [getattr(model, name, None) for name in ("n_iter_", "stop_reason_")]
    found.update(json.dumps(facts).encode())
    return found.hexdigest()[:16]


def fitted(kind: type, data: Any, scheduler: str = "threads", fit: Any = None, **asked: Any) -> str:
    with dask.config.set(scheduler=scheduler), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = kind(6, random_state=3, max_iter=30, **asked).fit(data, **(fit or {}))
        return digest(model, np.asarray(model.labels_))


def cases(folder: Path) -> Iterator[tuple[str, Callable[[], str]]]:
    """Every case by name; nothing is fitted before it is called."""
    stored = zarr.create_array(folder / "rows", data=ROWS, chunks=CHUNKS)
    lazy = da.from_array(ROWS, chunks=CHUNKS)
    far = {"memory_limit": "300MiB"}  # blocks do not stay in memory
    first = ROWS[:6].copy()
    for init in ("random", "k-means++", "farthest", "farthest||"):
        yield f"init {init}", lambda init=init: fitted(streamkm.KMeans, lazy, init=init)
    for name, data in {"memory": ROWS, "stored": stored, "lazy": lazy}.items():
        for algorithm in ("auto", "lloyd"):
            asked = {"init": first, "algorithm": algorithm}
            yield (
                f"{name} {algorithm}",
                lambda data=data, asked=asked: fitted(streamkm.KMeans, data, **asked),
            )
    yield "memory limit", lambda: fitted(streamkm.KMeans, stored, init=first, **far)
    for scheduler in ("synchronous", "processes"):
        yield (
            f"scheduler {scheduler}",
            lambda scheduler=scheduler: fitted(
                streamkm.KMeans, stored, scheduler, init=first, algorithm="lloyd"
            ),
        )
    yield (
        "weights",
        lambda: fitted(streamkm.KMeans, lazy, fit={"sample_weight": WEIGHTS}, init="random"),
    )
    yield "mask", lambda: fitted(streamkm.KMeans, lazy, fit={"mask": MASK}, init="random")
    yield "float32", lambda: fitted(streamkm.KMeans, ROWS.astype(np.float32), init="random")
    yield "int16", lambda: fitted(streamkm.KMeans, (16 * ROWS).astype(np.int16), init="random")
    yield "restarts", lambda: fitted(streamkm.KMeans, lazy, init="random", n_init=4)
    yield (
        "halving",
        lambda: fitted(streamkm.KMeans, lazy, init="random", n_init=4, restarts="halving"),
    )
    yield (
        "empty clusters",
        lambda: fitted(streamkm.KMeans, lazy, init=np.concatenate([first[:5], [[1e3] * 5]])),
    )
    for algorithm in ("auto", "lloyd"):
        for name, init in {"given": [first, ROWS[6:12].copy()], "random": "random"}.items():
            yield (
                f"reads {algorithm} {name}",
                lambda algorithm=algorithm, init=init: read_again(stored, algorithm, init),
            )
    yield "reads halving", lambda: read_again(stored, "auto", "random", halving=True)
    yield "bisecting", lambda: fitted(streamkm.BisectingKMeans, lazy, init="random")
    yield "sweep", lambda: sweep(lazy)
    yield "archive", lambda: archive(folder)


def read_again(data: Any, algorithm: str, init: Any, **asked: Any) -> str:
    """A fit with too little room for a table of all distinct rows, so that steps cost reads."""
    rows = open_rows(data)
    rules = StopRules(max_iter=30, loss_tol="auto")
    room = Room(100, 2000)
    state = first_state(
        rows,
        6,
        init,
        [3, 4],
        AcceleratedUpdate(rules, settles=algorithm == "auto"),
        room=room,
        **asked,
    )
    state = iterate(rows, state)
    labels = np.empty(len(ROWS), np.int32)
    state = label(rows, state, labels)
    best = state.best
    found = hashlib.sha256(labels.tobytes() + (best.centroids + 0.0).tobytes())
    course = [f"{best.inertia:.10e}", state.n_passes, len(best.history), best.stop_reason]
    found.update(json.dumps(course).encode())
    return found.hexdigest()[:16]


def sweep(data: Any) -> str:
    found = streamkm.sweep(data, range(1, 6), init="random", n_init=2, max_iter=20)
    centroids = np.nan_to_num(found["centroids"].values) + 0.0
    text = [f"{value:.10e}" for value in found["train_distortion"].values.ravel()]
    text += [str(found.attrs["n_passes"]), str(found.attrs["elbow"] or None)]
    return hashlib.sha256(centroids.tobytes() + " ".join(text).encode()).hexdigest()[:16]


def archive(folder: Path) -> str:
    zarr.create_array(folder / "pixels.zarr", data=PIXELS, dimension_names=("y", "x", "c"))
    compress([folder / "pixels.zarr"], folder / "archive.zarr", n_colors=8)
    group = zarr.open_group(folder / "archive.zarr", mode="r")
    found = hashlib.sha256()
    for path, node in sorted(group.members(max_depth=None)):
        if isinstance(node, zarr.Array) and ("codes" in path or "palette" in path):
            found.update(np.asarray(node[...]).tobytes())
    return found.hexdigest()[:16]


def all_digests() -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        return {name: make() for name, make in cases(Path(folder))}


if __name__ == "__main__":
    json.dump(all_digests(), sys.stdout, indent=2)
    print()
