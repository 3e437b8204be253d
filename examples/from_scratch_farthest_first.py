"""K-means from scratch: farthest-first seeding
============================================

Farthest-first seeding, then Lloyd's iterations until no centroid moves.

`init="farthest"` is exact and reads the data once for each centroid. `init="farthest||"` chooses
rows in every block and merges them, in one read. The state of the fit is available between reads.

Needs: ``pip install 'streamkm[plot]'``

Usage: ``python examples/from_scratch_farthest_first.py OUTPUT.png``
"""

from __future__ import annotations

import sys
import warnings

import dask.array as da
import matplotlib.pyplot as plt
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning

import streamkm

STEPS = 4


def main(output: str) -> None:
    x, _ = make_blobs(3000, centers=6, cluster_std=1.4, random_state=5)
    data = da.from_array(x, chunks=(500, 2))  # six blocks, like those of a store
    figure, axes = plt.subplots(2, STEPS, figsize=(16, 7.5), layout="constrained")
    for row, init in zip(axes, ("farthest", "farthest||"), strict=True):
        for steps, ax in enumerate(row, 1):
            last = steps == STEPS
            km = streamkm.KMeans(
                6, init=init, random_state=1, tol=0, max_iter=300 if last else steps
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # stopped early on purpose
                streamkm.plot.clusters(km.fit(data), data, ax)
            step = f"step {km.n_iter_}, the last" if last else f"step {steps}"
            ax.set_title(f"{init}: {step}\nJ = {km.inertia_ / len(x):.3f}")
        print(f"{init}: stopped by {km.stop_reason_} after {km.n_iter_} steps, J {km.inertia_:.1f}")
    figure.savefig(output, dpi=80)


if __name__ == "__main__":
    main(sys.argv[1])
