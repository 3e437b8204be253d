"""One k-means fit from given centroids, by streamkm and by each peer: so many Lloyd steps."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

Fitted = tuple[np.ndarray, int]  # centroids, and the steps that were made
SAMPLE = 20_000
BLOCKS = 16


@lru_cache(maxsize=1)
def made(n: int, d: int, k: int, dtype: str, floats: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rows without clusters, on which Lloyd goes on for long, and the first k as centroids.

    `floats` is for peers that know no integers: the same values, converted beforehand.
    """
    rng = np.random.default_rng(0)
    if np.dtype(dtype).kind == "u":
        x = rng.integers(0, 256, (n, d), dtype)
    else:
        x = rng.standard_normal((n, d), dtype=np.float64 if dtype == "float64" else np.float32)
    if floats and x.dtype.kind == "u":
        x = x.astype(np.float32)
    return x, x[:k].copy()


def streamkm(x: np.ndarray, init: np.ndarray, steps: int) -> Fitted:
    from streamkm import KMeans

    fitted = KMeans(len(init), init=init, max_iter=steps, tol=0, loss_tol=None).fit(x)
    return fitted.cluster_centers_, fitted.n_iter_


def scikit_learn(x: np.ndarray, init: np.ndarray, steps: int) -> Fitted:
    from sklearn.cluster import KMeans

    fitted = KMeans(len(init), init=init, n_init=1, max_iter=steps, tol=0).fit(x)
    return fitted.cluster_centers_, fitted.n_iter_


def sklearnex(x: np.ndarray, init: np.ndarray, steps: int) -> Fitted:
    from sklearnex import config_context
    from sklearnex.cluster import KMeans

    logging.disable(logging.INFO)
    with config_context(allow_sklearn_after_onedal=False):  # an error, not a silent way back
        fitted = KMeans(len(init), init=init, n_init=1, max_iter=steps, tol=0).fit(x)
    return fitted.cluster_centers_, fitted.n_iter_


def faiss(x: np.ndarray, init: np.ndarray, steps: int) -> Fitted:
    from faiss import Kmeans

    all_rows = {"max_points_per_centroid": len(x), "min_points_per_centroid": 1}
    fitted = Kmeans(x.shape[1], len(init), niter=steps, nredo=1, **all_rows)
    fitted.train(x, init_centroids=init)
    return fitted.centroids, len(fitted.iteration_stats)


def dask_ml(x: np.ndarray, init: np.ndarray, steps: int) -> Fitted:
    import dask.array as da
    from dask_ml.cluster import KMeans

    data = da.from_array(x, chunks=(-(-len(x) // BLOCKS), -1))
    fitted = KMeans(len(init), init=init, max_iter=steps, tol=0).fit(data)
    return fitted.cluster_centers_, fitted.n_iter_


PEERS: dict[str, Callable[[np.ndarray, np.ndarray, int], Fitted]] = {
    "streamkm": streamkm,
    "scikit-learn": scikit_learn,
    "sklearnex": sklearnex,
    "faiss": faiss,
    "dask-ml": dask_ml,
}


def two_fits(name: str, shape: Any, steps: int) -> tuple[float, float, float]:
    """Seconds of a fit of one step and of one of so many more, and its loss of a few rows.

    A first fit that is not counted takes its memory from the system, which the next find there.
    """
    x, init = made(*shape, floats=name != "streamkm")
    spent = []
    for asked in (1, 1, 1 + steps):
        began = time.perf_counter()
        centroids, done = PEERS[name](x, init, asked)
        spent.append(time.perf_counter() - began)
        if done != asked:
            raise RuntimeError(f"{name} ended after {done} steps of {asked} on {shape}")
    return spent[1], spent[2], loss(x[:SAMPLE], centroids)


def a_step(fits: Sequence[tuple[float, float, float]], steps: int) -> list[float]:
    """Seconds of a step, by round: what a fit of many takes beyond one of a single step.

    That one holds everything that is done once: conversion, checks, the first and the last read.
    It is the least over the rounds, as it varies by more than a short step takes.
    """
    once = min(short for short, _, _ in fits)
    return [(long - once) / steps for _, long, _ in fits]


def bare_read(shape: Any, steps: int) -> float:
    """Seconds of one fold of Lloyd's pass, without a fit around it."""
    from streamkm.engine import map_reduce
    from streamkm.passes import Lloyd
    from streamkm.rows import open_rows

    x, init = made(*shape, floats=False)
    rows, question = open_rows(x), Lloyd(init.astype(np.float64))
    map_reduce(question, rows)
    began = time.perf_counter()
    for _ in range(steps):
        map_reduce(question, rows)
    return (time.perf_counter() - began) / steps


def loss(x: np.ndarray, centroids: np.ndarray) -> float:
    """The sum of squared distances, in float64 and by nobody's kernel."""
    x, centroids = x.astype(np.float64), np.asarray(centroids, np.float64)
    centre = centroids.mean(axis=0)
    x, centroids = x - centre, centroids - centre
    scores = (centroids**2).sum(axis=1) - 2 * x @ centroids.T
    return float(((x - centroids[scores.argmin(axis=1)]) ** 2).sum())
