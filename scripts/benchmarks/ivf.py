"""Recall of an IVF index with the centroids of faiss and of streamkm, at equal numbers of probes.

    scripts/bench ivf [--rows 100000] [--clusters 500] [--reads 12]

The rows are word vectors, perturbed along their principal directions to reach the number of rows,
and patches of a photograph; the queries are 1,000 further rows of the same kind. All fits use all
rows: faiss trains for a number of iterations, and streamkm takes at most as many reads: by default,
from random rows, and with lists of at most 1.05 times their mean.
"""

from __future__ import annotations

import argparse
import math
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import faiss
import numpy as np
from data import patches, words
from report import table

from streamkm import KMeans

QUERIES, NEIGHBOURS, PROBES = 1_000, 10, (1, 4, 16)
HEAD = (
    *("rows", "centroids of", "reads", "fit s", "loss", "largest list / mean"),
    *(f"recall@{NEIGHBOURS}, {n} probe{'s' * (n > 1)}" for n in PROBES),
    f"rows visited, {PROBES[-1]} probes",
)


def word_rows(n: int) -> np.ndarray:
    """Word vectors plus noise of a third of the deviation along each principal direction."""
    known, rng = words(), np.random.default_rng(0)
    _, spread, directions = np.linalg.svd(known - known.mean(axis=0), full_matrices=False)
    deviation = spread / np.sqrt(len(known)) / 3
    noise = rng.standard_normal((n, len(spread))) * deviation
    return (known[rng.integers(len(known), size=n)] + noise @ directions).astype(np.float32)


def patch_rows(n: int) -> np.ndarray:
    return np.random.default_rng(0).permutation(patches(1))[:n]


SETS: dict[str, Callable[[int], np.ndarray]] = {"words": word_rows, "patches": patch_rows}


@dataclass(frozen=True)
class Lists:
    """Centroids (k, d), the list of each row (n,), or None for the nearest, and reads."""

    centroids: np.ndarray
    labels: np.ndarray | None
    reads: float


def of_faiss(x: np.ndarray, k: int, reads: int) -> Lists:
    """Random rows, then as many iterations as there are reads."""
    fitted = faiss.Kmeans(x.shape[1], k, niter=reads, max_points_per_centroid=len(x), seed=1)
    fitted.train(x)
    return Lists(fitted.centroids, None, reads)


def of_streamkm(x: np.ndarray, k: int, reads: int) -> Lists:
    """The default fit with at most so many reads: two of seeding, iterations, and the loss."""
    fitted = KMeans(k, max_iter=reads - 3, random_state=0).fit(x)
    return Lists(fitted.cluster_centers_.astype(np.float32), None, fitted.n_passes_)


def from_random_rows(x: np.ndarray, k: int, reads: int) -> Lists:
    """As for faiss: one read draws the rows, and the others are iterations, and the loss."""
    fitted = KMeans(k, init="random", n_init=1, max_iter=reads - 2, random_state=0).fit(x)
    return Lists(fitted.cluster_centers_.astype(np.float32), None, fitted.n_passes_)


def bounded(x: np.ndarray, k: int, reads: int) -> Lists:
    """Lists of at most 1.05 times the mean; rounding to these bounds takes further reads."""
    size = math.ceil(1.05 * len(x) / k)
    fitted = KMeans(k, max_iter=reads - 4, random_state=0, max_size=size).fit(x)
    return Lists(fitted.cluster_centers_.astype(np.float32), fitted.labels_, fitted.n_passes_)


FITS = {
    "faiss": of_faiss,
    "streamkm": of_streamkm,
    "streamkm, random rows": from_random_rows,
    "streamkm, max_size": bounded,
}


def measured(
    name: str, x: np.ndarray, queries: np.ndarray, k: int, reads: int
) -> Iterator[list[str]]:
    """Yield a row of the table for each kind of centroids."""
    exact = faiss.IndexFlatL2(x.shape[1])
    exact.add(x)
    truth = exact.search(queries, NEIGHBOURS)[1]
    for label, fit in FITS.items():
        start = time.perf_counter()
        lists = fit(x, k, reads)
        spent = time.perf_counter() - start
        quantizer = faiss.IndexFlatL2(x.shape[1])
        quantizer.add(lists.centroids)
        nearest = quantizer.search(x, 1)[1][:, 0]
        labels = nearest if lists.labels is None else lists.labels
        loss = float(((x - lists.centroids[labels]) ** 2).sum(axis=1).mean())
        index = faiss.IndexIVFFlat(quantizer, x.shape[1], k, faiss.METRIC_L2)
        own = np.ascontiguousarray(labels, np.int64)
        index.add_core(len(x), faiss.swig_ptr(x), None, faiss.swig_ptr(own))
        sizes = np.array([index.invlists.list_size(number) for number in range(k)])
        cells = [f"{loss:.5g}", f"{sizes.max() / sizes.mean():.2f}"]
        for probes in PROBES:
            index.nprobe = probes
            near = index.search(queries, NEIGHBOURS)[1]
            hits = [np.isin(a, b).mean() for a, b in zip(truth, near, strict=True)]
            cells.append(f"{np.mean(hits):.3f}")
        visited = sizes[quantizer.search(queries, PROBES[-1])[1]].sum(axis=1).mean() / len(x)
        yield [name, label, f"{lists.reads:g}", f"{spent:.0f}", *cells, f"{visited:.2%}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--clusters", type=int, default=500)
    parser.add_argument("--reads", type=int, default=12)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # fits that end after the given reads
    for line in list(table(HEAD, []))[:-1]:
        print(line)
    for name, make in SETS.items():
        x = make(asked.rows + QUERIES)
        for row in measured(name, x[QUERIES:], x[:QUERIES], asked.clusters, asked.reads):
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
