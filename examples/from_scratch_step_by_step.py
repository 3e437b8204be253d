"""K-means from scratch: step by step
==================================

Assign the rows, move the centroids, and repeat until none moves.

Each picture is a step of Lloyd's algorithm, as ``streamkm.plot.step`` draws it. The rows have the
colours of their nearest centroids, and an arrow leads to each centroid from where it was before.
The loop is the same for a Zarr store or a Dask array that is larger than memory; there,
``step.labels`` and each picture cost a read.

Needs: ``pip install 'streamkm[plot]'``

Usage: ``python examples/from_scratch_step_by_step.py OUTPUT.png``
"""

from __future__ import annotations

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_blobs

import streamkm

SHOWN = 6


def by_hand() -> None:
    """Five rows whose assignments and moves can be checked on paper."""
    x = np.array([[0.0], [1.0], [5.0], [9.0], [10.0]])
    for step in streamkm.iterate(x, 2, init=np.array([[0.0], [1.0]]), tol=0):
        moved = "" if step.previous is None else f", moved by {step.moves.round(2)}"
        print(f"rows belong to {step.labels(x)}, centroids {step.centroids.ravel()}{moved}")


def main(output: str) -> None:
    by_hand()
    x, _ = make_blobs(600, centers=4, cluster_std=1.6, random_state=1)
    steps = list(streamkm.iterate(x, 4, init="random", tol=0, random_state=0))
    for step in steps:
        print(f"step {step.iteration}: J = {step.inertia:.1f}, sizes {step.counts.astype(int)}")
    print(f"stopped by {steps[-1].stop_reason}")

    figure, axes = plt.subplots(2, SHOWN // 2, figsize=(15, 9), layout="constrained")
    for step, ax in zip([*steps[: SHOWN - 1], steps[-1]], axes.flat, strict=True):
        streamkm.plot.step(step, x, ax=ax)
    for ax in axes.flat[:-1]:
        ax.get_legend().remove()  # all are the same
    figure.savefig(output, dpi=80)


if __name__ == "__main__":
    main(sys.argv[1])
