"""The loss after one read of a stream, against fits of all rows and other libraries' streams.

    scripts/bench streams [--sets pixels,landsat] [-k 10,50] [--seeds 3] [--size 4096,16384]
        [--order stored,shuffled,sorted,length,last]
        [--peers streamkm,consumed,refined,grown,grown1,grown3,merged]
        [--peers scikit-learn,dask-ml,bico,chunks,river]

Rows come in batches of 10,000. A cell gives the loss of all rows relative to `streamkm.KMeans`
(median and largest of the seeds), and CPU microseconds a row, with the search at the end. Of data
that are compared with `river`, only the first rows are used. `--size` gives the numbers of rows or
points that streamkm and bico keep, each in a column. `sorted` is the order of the clusters of the
full fit, `length` that of the lengths of the rows, and `last` has one cluster at the end.
`consumed` is streamkm by `consume`, which joins batches to larger ones, and `refined` streamkm with
one further read. `grown` is that of a Zarr array that grows in ten steps, such as the ten scenes of
the set `days`; the last update of `grown1` and `grown3` refines by up to one and three reads of all
rows. `merged` is that of 1,000 summaries, which are merged in a random order for each seed.
`chunks` is a reference for streaming k-means in Lance: every chunk of rows is replaced by weighted
means, all of which are clustered at the end.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
from data import SETS, photographs

import streamkm
from streamkm.passes import Lloyd
from streamkm.rows import Block
from streamkm.streaming import summary_rows as streamkm_rows

BATCH = 10_000
SIZE = 0  # rows or points that a method keeps; 0 for the default of streamkm
ORDERS = {"stored", "shuffled", "sorted", "length", "last"}
_FEW = 20_000  # rows for libraries that take one row at a time
Stream = Callable[[np.ndarray, int, int], np.ndarray]


def album() -> np.ndarray:
    """Every 16th pixel of fifteen photographs, one after the other."""
    from PIL import Image

    return np.concatenate(
        [
            np.asarray(Image.open(path).convert("RGB"))[::4, ::4].reshape(-1, 3)
            for path in photographs()
        ]
    )


def days() -> np.ndarray:
    """Ten days of the Landsat scene, each brighter than the one before, with noise."""
    rng, scene = np.random.default_rng(0), SETS["landsat"]().astype(np.float64)
    each = [
        scene * (1 + 0.03 * day) + 4 * np.sin(day) + rng.normal(0, 1.5, scene.shape)
        for day in range(10)
    ]
    return np.concatenate(each).astype(np.float32)


def batches(x: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(x), BATCH):
        yield x[start : start + BATCH]


def summary_rows(k: int, d: int) -> int:
    """The rows or points that a method keeps, the same for all."""
    return SIZE or streamkm_rows(k, d)


def of_streamkm(x: np.ndarray, k: int, seed: int) -> np.ndarray:
    model = streamkm.StreamingKMeans(k, summary_size=summary_rows(k, x.shape[1]), random_state=seed)
    for batch in batches(x):
        model.partial_fit(batch)
    return model.cluster_centers_


def consumed(x: np.ndarray, k: int, seed: int) -> np.ndarray:
    """The same rows as a feed, which is folded in larger batches."""
    model = streamkm.StreamingKMeans(k, summary_size=summary_rows(k, x.shape[1]), random_state=seed)
    return model.consume(batches(x)).cluster_centers_


def refined(x: np.ndarray, k: int, seed: int) -> np.ndarray:
    """One further read, in which boundary rows may move the centroids several times."""
    centroids = of_streamkm(x, k, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of max_iter
        return streamkm.KMeans(k, init=centroids, max_iter=1).fit(x).cluster_centers_


def grown(x: np.ndarray, k: int, seed: int, refine: int = 0) -> np.ndarray:
    """A store to which a tenth of the rows is appended before each update."""
    import zarr

    size = -(-len(x) // 10)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of max_iter
        array = zarr.create_array(f"{folder}/x", data=x[:size], chunks=(size, x.shape[1]))
        model = streamkm.StreamingKMeans(k, summary_size=SIZE or "auto", random_state=seed)
        model.fit(f"{folder}/x")
        for start in range(size, len(x), size):
            array.append(x[start : start + size])
            model.set_params(refine=refine if start + size >= len(x) else 0)
            model.update(f"{folder}/x")
        assert model.n_rows_seen_ == len(x)
        return model.cluster_centers_


def grown_refined(x: np.ndarray, k: int, seed: int) -> np.ndarray:
    """The same, whose last update continues by one read of all rows."""
    return grown(x, k, seed, refine=1)


def grown_refined_thrice(x: np.ndarray, k: int, seed: int) -> np.ndarray:
    return grown(x, k, seed, refine=3)


def merged(x: np.ndarray, k: int, seed: int) -> np.ndarray:
    """1,000 summaries of parts of the rows, pairs of which are merged in a random order."""
    rng = np.random.default_rng(seed)
    size = summary_rows(k, x.shape[1])
    models = [
        streamkm.StreamingKMeans(k, summary_size=size, random_state=0).partial_fit(part)
        for part in np.array_split(x, 1000)
    ]
    while len(models) > 1:
        one, other = (models.pop(rng.integers(len(models))) for _ in range(2))
        models.append(one.merge(other))
    assert models[0].n_rows_seen_ == len(x)
    return models[0].cluster_centers_


def chunks(x: np.ndarray, k: int, seed: int) -> np.ndarray:
    """16 k weighted means of every chunk of at least 64 k rows, as by the rates of Lance."""
    from sklearn.cluster import KMeans

    means, weights = [], []
    for part in np.array_split(x, max(1, len(x) // max(BATCH, 64 * k))):
        m = min(16 * k, len(part))
        found = KMeans(m, init="random", n_init=1, max_iter=5, random_state=seed).fit(part)
        means.append(found.cluster_centers_)
        weights.append(np.bincount(found.labels_, minlength=m))
    points, weight = np.concatenate(means), np.concatenate(weights).astype(np.float64)
    model = KMeans(k, n_init=10 if k < 1000 else 1, random_state=seed)
    return model.fit(points[weight > 0], sample_weight=weight[weight > 0]).cluster_centers_


def dask_ml(x: np.ndarray, k: int, seed: int) -> np.ndarray:
    import dask.array as da
    from dask_ml.wrappers import Incremental
    from sklearn.cluster import MiniBatchKMeans

    rows = da.from_array(x, chunks=(BATCH, x.shape[1]))
    model = Incremental(MiniBatchKMeans(k, random_state=seed), shuffle_blocks=False)
    return model.fit(rows).estimator_.cluster_centers_


def scikit_learn(x: np.ndarray, k: int, seed: int) -> np.ndarray:
    from sklearn.cluster import MiniBatchKMeans

    model = MiniBatchKMeans(k, random_state=seed)
    for batch in batches(x):
        model.partial_fit(batch)
    return model.cluster_centers_


def bico(x: np.ndarray, k: int, seed: int) -> np.ndarray:
    from bico import BICO
    from sklearn.cluster import KMeans

    model = BICO(n_clusters=k, summary_size=summary_rows(k, x.shape[1]), random_state=seed)
    for batch in batches(x):
        model.partial_fit(batch.astype(np.float64))
    model.partial_fit()  # computes the summary
    points, weights = model.coreset_points_, model.coreset_weights_
    return (
        KMeans(k, n_init=10 if k < 1000 else 1, random_state=seed)
        .fit(points, sample_weight=weights)
        .cluster_centers_
    )


def river(x: np.ndarray, k: int, seed: int) -> np.ndarray:
    from river.cluster import KMeans

    model = KMeans(n_clusters=k, seed=seed)
    for row in x.tolist():
        model.learn_one(dict(enumerate(row)))
    centres = [[c[i] for i in range(x.shape[1])] for c in model.centers.values()]
    return np.array(centres)


PEERS: dict[str, Stream] = {
    "streamkm": of_streamkm,
    "consumed": consumed,
    "refined": refined,
    "grown": grown,
    "grown1": grown_refined,
    "grown3": grown_refined_thrice,
    "merged": merged,
    "scikit-learn": scikit_learn,
    "dask-ml": dask_ml,
    "chunks": chunks,
    "bico": bico,
    "river": river,
}


def loss(x: np.ndarray, centroids: np.ndarray) -> float:
    centroids = np.asarray(centroids, np.float64)
    return Lloyd(centroids)(Block.from_values(x)).inertia(centroids)


def cell(name: str, x: np.ndarray, k: int, seeds: int, full: float) -> str:
    """Return the losses relative to that of a full fit, and the CPU time of a row."""
    losses, spent = [], 0.0
    try:
        PEERS[name](x[: 5 * BATCH], k, 0)  # imports and compiles
    except ImportError:
        return "not installed"
    for seed in range(seeds):
        began = time.process_time()
        centroids = PEERS[name](x, k, seed)
        spent += time.process_time() - began
        losses.append(loss(x, centroids) / full)
    each = spent / seeds / len(x) * 1e6
    return f"{np.median(losses):.4f} ({max(losses):.4f}), {each:.2g}"


def ordered(x: np.ndarray, order: str, k: int) -> np.ndarray:
    """The rows in an order of `ORDERS`; `last` has the rows of one cluster at the end."""
    if order == "stored":
        return x
    if order == "shuffled":
        return np.random.default_rng(0).permutation(x)
    if order == "length":
        return x[np.argsort(np.linalg.norm(x.astype(np.float64), axis=1), kind="stable")]
    labels = streamkm.KMeans(k, random_state=0).fit(x).labels_
    return x[np.argsort(labels if order == "sorted" else labels == 0, kind="stable")]


def table(x: np.ndarray, name: str, k: int, seeds: int, columns: list[tuple[str, int]]) -> None:
    """Print the row of a data set; the columns are peers with a size."""
    global SIZE
    fitted = streamkm.KMeans(k, random_state=0).fit(x)
    full, cells = loss(x, fitted.cluster_centers_), []
    for peer, size in columns:
        SIZE = size
        cells.append(cell(peer, x, k, seeds, full))
    print(f"| {name}, {k} | {len(x):,} x {x.shape[1]} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    sets = SETS | {"album": album, "days": days}
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", default="pixels,landsat,words,patches,album")
    parser.add_argument("-k", default="10,50")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--order", default="stored")
    parser.add_argument("--peers", default="streamkm,scikit-learn,bico")
    parser.add_argument("--size", default="0")
    asked = parser.parse_args()
    peers, orders = asked.peers.split(","), asked.order.split(",")
    if not set(orders) <= ORDERS:
        parser.error(f"--order: use some of {', '.join(sorted(ORDERS))}")
    columns = [(peer, int(size)) for size in asked.size.split(",") for peer in peers]
    heads = " | ".join(f"{peer} {size:,}" if size else peer for peer, size in columns)
    print(f"| data, k | rows | {heads} |\n|---|---|{'---|' * len(columns)}")
    for name in asked.sets.split(","):
        x = sets[name]()
        if "river" in peers:
            x = np.array(list(islice(x, _FEW)))
        for k in map(int, asked.k.split(",")):
            for order in orders:
                table(ordered(x, order, k), f"{name}, {order}", k, asked.seeds, columns)


if __name__ == "__main__":
    main()
