"""One k-means fit of a number of Lloyd steps from given centroids, by streamkm and by each peer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from data import SHUFFLED

Fitted = tuple[np.ndarray, int]  # centroids, and the number of steps
SAMPLE = 20_000
BLOCKS = 16


@lru_cache(maxsize=1)
def made(shape: Any, floats: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and the first k of them as centroids.

    A shape is (n, d, k, dtype) for rows without clusters, on which Lloyd needs many steps, or
    (name, k) for a real data set. `floats` holds the same values, converted
    beforehand for peers that do not support integers.
    """
    rng = np.random.default_rng(0)
    if isinstance(shape[0], str):
        name, k = shape
        x = rng.permutation(SHUFFLED[name]())
    else:
        n, d, k, dtype = shape
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
    with config_context(
        allow_sklearn_after_onedal=False
    ):  # raise an error instead of falling back silently
        fitted = KMeans(len(init), init=init, n_init=1, max_iter=steps, tol=0).fit(x)
    return fitted.cluster_centers_, fitted.n_iter_


def faiss(x: np.ndarray, init: np.ndarray, steps: int) -> Fitted:
    from faiss import Kmeans

    all_rows = {"max_points_per_centroid": len(x), "min_points_per_centroid": 1}
    fitted = Kmeans(x.shape[1], len(init), niter=steps, nredo=1, **all_rows)
    fitted.train(x, init_centroids=init)
    return fitted.centroids, len(fitted.iteration_stats)


def super_kmeans(x: np.ndarray, init: np.ndarray, steps: int) -> Fitted:
    """Approximate: pairs are pruned by a statistical test; it accepts no initial centroids."""
    from faiss import SuperKmeans

    all_rows = {"max_points_per_centroid": len(x), "min_points_per_centroid": 1}
    fitted = SuperKmeans(x.shape[1], len(init), niter=steps, **all_rows)
    fitted.train(x)
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
APPROXIMATE: dict[str, Callable[[np.ndarray, np.ndarray, int], Fitted]] = {
    "SuperKmeans": super_kmeans,
}


def two_fits(name: str, shape: Any, steps: int) -> tuple[float, float, float]:
    """Return the seconds of a fit of one step and of a longer fit, and its loss of a few rows.

    A first fit, which is not counted, allocates the memory that the next fits reuse.
    """
    x, init = made(shape, floats=name != "streamkm")
    spent = []
    for asked in (1, 1, 1 + steps):
        began = time.perf_counter()
        centroids, done = (PEERS | APPROXIMATE)[name](x, init, asked)
        spent.append(time.perf_counter() - began)
        if done != asked:
            raise RuntimeError(f"{name} ended after {done} steps of {asked} on {shape}")
    return spent[1], spent[2], loss(x[:SAMPLE], centroids)


def a_step(fits: Sequence[tuple[float, float, float]], steps: int) -> list[float]:
    """Return the seconds of a step, by round: a fit of many steps minus a fit of a single step.

    The single step includes all that is done once: conversion, checks, the first and last read. Its
    minimum over the rounds is used, because it varies by more than the time of a short step.
    """
    once = min(short for short, _, _ in fits)
    return [(long - once) / steps for _, long, _ in fits]


def bare_read(shape: Any, steps: int) -> float:
    """Return the seconds of one fold of Lloyd's pass, without a fit."""
    from streamkm.engine import map_reduce
    from streamkm.passes import Lloyd
    from streamkm.rows import open_rows

    x, init = made(shape, floats=False)
    rows, question = open_rows(x), Lloyd(init.astype(np.float64))
    map_reduce(question, rows)
    began = time.perf_counter()
    for _ in range(steps):
        map_reduce(question, rows)
    return (time.perf_counter() - began) / steps


def loss(x: np.ndarray, centroids: np.ndarray) -> float:
    """Return the sum of squared distances in float64, computed by NumPy."""
    x, centroids = x.astype(np.float64), np.asarray(centroids, np.float64)
    centre = centroids.mean(axis=0)
    x, centroids = x - centre, centroids - centre
    scores = (centroids**2).sum(axis=1) - 2 * x @ centroids.T
    return float(((x - centroids[scores.argmin(axis=1)]) ** 2).sum())
