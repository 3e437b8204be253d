"""The accuracy of coresets: the loss on a coreset against the loss on all rows, by its size.

    scripts/bench coreset

The centroids are optimal ones, random rows, and those of a bad start. The table gives the error
that 19 of 20 samples do not exceed, and that error times the square root of the sample size.
"""

from __future__ import annotations

import numpy as np
from data import SETS

from streamkm import KMeans
from streamkm.engine import map_reduce
from streamkm.passes import Lloyd
from streamkm.rows import Block, open_rows
from streamkm.seeding import Task
from streamkm.seeding.coreset import Coreset

K = 50
SIZES = (1024, 4096, 16384)
SEEDS = 20


def loss(block: Block, centroids: np.ndarray) -> float:
    return Lloyd(centroids)(block).inertia(centroids)


def coreset(x: np.ndarray, size: int, seed: int) -> Block:
    rows = open_rows(x)
    state = Coreset.from_task(Task(K, seed, len(x), size))
    while state.pilot is None:
        state = state.tell(map_reduce(state.ask(), rows))
    small = map_reduce(state.ask(), rows).lowest(size)
    return Block.from_values(small.values, small.estimates)


def main() -> None:
    print(f"| data | centroids | {' | '.join(f'm = {size:,}' for size in SIZES)} |")
    print("|---|---|" + "---|" * len(SIZES))
    for name in ("pixels", "landsat", "words", "overlapping", "heavy", "tiny"):
        x = SETS[name]()
        rng = np.random.default_rng(0)
        random = x[rng.choice(len(x), K, replace=False)].astype(np.float64)
        fitted = KMeans(K, random_state=0).fit(x).cluster_centers_
        bad = np.concatenate([fitted[: K // 2], fitted[: K // 2] + x.std()])
        kinds = {"optimal": fitted, "random rows": random, "half of them moved": bad}
        block, errors = Block.from_values(x), {kind: [] for kind in kinds}
        true = {kind: loss(block, centroids) for kind, centroids in kinds.items()}
        for size in SIZES:
            samples = [coreset(x, size, seed) for seed in range(SEEDS)]
            for kind, centroids in kinds.items():
                off = [abs(loss(sample, centroids) / true[kind] - 1) for sample in samples]
                errors[kind].append(float(np.quantile(off, 0.95)))
        for kind, found in errors.items():
            pairs = zip(found, SIZES, strict=True)
            cells = " | ".join(f"{e:.2%} ({e * size**0.5:.2f})" for e, size in pairs)
            print(f"| {name} | {kind} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
