"""k-means|| as published (Bahmani et al. 2012, Algorithm 2), in NumPy, as a reference.

dask-ml's `init='k-means||'` is no reference: it draws about two rows a round instead of 2k.
"""

from __future__ import annotations

import faiss
import numpy as np


def nearest(x: np.ndarray, candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return squared distances (n,) to the nearest candidates, and their numbers (n,)."""
    index = faiss.IndexFlatL2(x.shape[1])
    index.add(np.ascontiguousarray(candidates))
    d2, numbers = index.search(x, 1)
    return np.maximum(d2[:, 0], 0).astype(np.float64), numbers[:, 0]


def kmeans_parallel(x: np.ndarray, k: int, rounds: int, seed: int = 0) -> np.ndarray:
    """Return k centroids (k, d) after `rounds` rounds of about 2k rows each.

    It reads the data once for the loss of the first row, once in each round, and once for the
    weights of the candidates. These are reclustered by weighted k-means++.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(x), size=1)
    d2, _ = nearest(x, x[chosen])
    for _ in range(rounds):
        drawn = np.flatnonzero(rng.random(len(x)) < 2 * k * d2 / d2.sum())
        chosen = np.concatenate([chosen, drawn])
        d2 = np.minimum(d2, nearest(x, x[drawn])[0])
    candidates = x[np.unique(chosen)]
    weights = np.bincount(nearest(x, candidates)[1], minlength=len(candidates))
    return reclustered(candidates, weights.astype(np.float64), k, rng)


def reclustered(x: np.ndarray, weights: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Return k rows, drawn by k-means++ with weights."""
    if len(x) < k:
        raise ValueError(f"{len(x):,} candidates for {k:,} clusters; take more rounds")
    norms = np.einsum("ij,ij->i", x, x)
    chosen = [int(rng.choice(len(x), p=weights / weights.sum()))]
    d2 = np.full(len(x), np.inf, x.dtype)
    while len(chosen) < k:
        last = x[chosen[-1]]
        d2 = np.minimum(d2, np.maximum(norms - 2 * (x @ last) + last @ last, 0))
        d2[chosen[-1]] = 0
        total = np.cumsum(weights * d2)
        chosen.append(int(np.searchsorted(total, rng.random() * total[-1], side="right")))
    return x[chosen].astype(np.float64)
