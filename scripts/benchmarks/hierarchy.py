"""Hierarchies of very many clusters: time, peak memory, loss, and the curation recipe checked.

scripts/bench hierarchy [rows] [clusters]: 400,000 rows of 16 features and 100,000 clusters by
default; 4,000,000 and 1,000,000 are possible. scripts/bench hierarchy --recipe: the recipe of Vo et
al. (2024) on 200,000 rows, with every step checked against plain NumPy. scripts/bench hierarchy
--isolated: 120,000 rows around 3,000 isolated centres, which are unfavourable data.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import zarr

from streamkm import HierarchicalKMeans, KMeans, load
from streamkm.cli.common import peak_memory

D, CHUNK = 16, 20_000


def stored(path: Path, n: int, n_centres: int) -> zarr.Array:
    """Rows around centres that lie in groups, so that there is structure at several scales."""
    rng = np.random.default_rng(0)
    groups = 6 * rng.normal(size=(max(1, n_centres // 50), D))
    centres = groups[rng.integers(0, len(groups), n_centres)] + 2 * rng.normal(size=(n_centres, D))
    out = zarr.create_array(path, shape=(n, D), chunks=(CHUNK, D), dtype="f4")
    for start in range(0, n, CHUNK):
        own = centres[rng.integers(0, n_centres, min(CHUNK, n - start))]
        out[start : start + len(own)] = own + rng.normal(size=own.shape)
    return out


def many(folder: Path, n: int, k: int) -> None:
    """Fit a hierarchy of two levels, save it, and label all rows by routes."""
    rows = stored(folder / "x.zarr", n, max(10, k // 10))
    model = HierarchicalKMeans(
        k, init="random", max_iter=10, random_state=0, memory_limit="2GiB", verbose=1
    )
    began = time.perf_counter()
    model.fit(rows)
    fitted = time.perf_counter() - began
    model.save(folder / "model.zarr")
    began = time.perf_counter()
    load(folder / "model.zarr").predict(rows, how="routed").max().compute()
    labelled = time.perf_counter() - began
    routing = model.routing_
    print(f"rows x features, clusters: {n:,} x {D}, {[len(c) for c in model.level_centers_]}")
    print(f"fit {fitted:.0f} s, {model.n_passes_:g} reads; routed labels {labelled:.0f} s")
    print(f"peak {peak_memory() / 2**20:,.0f} MiB")
    print(
        f"inertia {model.inertia_:.6g}; {routing.differing:.1%} of {routing.n_rows:,} sampled rows"
    )
    print(
        f"are routed to another than the nearest cluster, at {routing.routed / routing.exact:.3f}"
    )
    print("times the loss")


def isolated(n: int) -> None:
    """About as many clusters as isolated centres, of which a group gets too many or too few."""
    rng = np.random.default_rng(0)
    centres = 6 * rng.normal(size=(3000, D))
    x = (centres[rng.integers(0, 3000, n)] + rng.normal(size=(n, D))).astype("f4")
    rules = {"init": "random", "max_iter": 10, "random_state": 0}
    for k in (2500, 3000):
        began = time.perf_counter()
        model, flat = HierarchicalKMeans(k, **rules).fit(x), KMeans(k, n_init=1, **rules)
        seconds, loss = time.perf_counter() - began, flat.fit(x).inertia_
        routing = model.routing_
        print(
            f"{k} clusters: {seconds:.0f} s, {routing.differing:.1%} of the rows are routed to "
            f"another than the nearest cluster, at {routing.routed / routing.exact:.3f} times the "
            f"loss; {model.inertia_ / loss:.3f} times that of a fit to all rows "
            f"({time.perf_counter() - began - seconds:.0f} s)",
            flush=True,
        )


def nearest(x: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Labels in plain NumPy, in parts."""
    x, centroids = x.astype(np.float64), centroids.astype(np.float64)
    half = np.einsum("kd,kd->k", centroids, centroids) / 2
    parts = range(0, len(x), 2_000)
    return np.concatenate([(half - x[a : a + 2_000] @ centroids.T).argmin(axis=1) for a in parts])


def recipe(folder: Path, n: int) -> None:
    """Levels of 2,000, 200 and 20 clusters with resampling and equal weights."""
    rows, sizes = stored(folder / "x.zarr", n, 500), [2000, 200, 20]
    model = HierarchicalKMeans(
        sizes,
        groups=1,
        resampling=2,
        resampled_rows=n // sizes[0] // 2,
        level_weights="equal",
        init="random",
        max_iter=20,
        random_state=0,
        memory_limit="2GiB",
    )
    began = time.perf_counter()
    model.fit(rows)
    seconds, x, below = time.perf_counter() - began, rows[:], model.level_centers_[0]
    print(f"{n:,} rows, {sizes} clusters: {seconds:.0f} s, {model.n_passes_:g} reads")
    labels = nearest(x, below)
    counts = np.bincount(labels, minlength=sizes[0])
    print("counts of the lowest level are NumPy's:", np.mean(counts == model.counts_))
    for parents, centers in zip(model.parents_, model.level_centers_[1:], strict=True):
        print(f"parents of {len(below)} are NumPy's:", np.mean(nearest(below, centers) == parents))
        below = centers
    sample = model.sample(rows, n // 20, random_state=0)
    tops = model.parents_[1][model.parents_[0][labels]]
    print("rows of a sample in each top cluster:", np.bincount(tops[sample], minlength=20).tolist())
    print("of all rows:                         ", np.bincount(tops, minlength=20).tolist())
    print(f"peak {peak_memory() / 2**20:,.0f} MiB, with NumPy's arrays of this check")


def main() -> None:
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    with tempfile.TemporaryDirectory() as folder:
        if "--recipe" in sys.argv:
            recipe(Path(folder), int(words[0]) if words else 200_000)
        elif "--isolated" in sys.argv:
            isolated(int(words[0]) if words else 120_000)
        else:
            n = int(words[0]) if words else 400_000
            many(Path(folder), n, int(words[1]) if len(words) > 1 else n // 4)


if __name__ == "__main__":
    main()
