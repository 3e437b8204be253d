"""K-means from scratch: step by step
==================================

Assign the rows, move the centroids, and repeat until none moves.

Each picture is a step of Lloyd's algorithm. The rows have the colours of their nearest centroids,
and the lines show how the centroids have moved so far. The loop is the same for a Zarr store or a
Dask array that is larger than memory; there, `step.labels` costs a read.

Usage: ``python examples/from_scratch_step_by_step.py OUTPUT.png``
"""

from __future__ import annotations

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_blobs

import streamkm

SHOWN = 8


def main(output: str) -> None:
    x, _ = make_blobs(600, centers=4, cluster_std=1.6, random_state=1)
    steps = list(streamkm.iterate(x, 4, init="random", tol=0, random_state=0))
    for step in steps:
        print(f"step {step.iteration}: J = {step.inertia:.1f}, sizes {step.counts.astype(int)}")
    print(f"stopped by {steps[-1].stop_reason}")

    paths = np.stack([step.centroids for step in steps])  # (steps, clusters, 2)
    shown = [*steps[:-1][: SHOWN - 1], steps[-1]]
    figure, axes = plt.subplots(2, SHOWN // 2, figsize=(16, 8), layout="constrained")
    for step, ax in zip(shown, axes.flat, strict=False):
        ax.scatter(*x.T, c=step.labels(x), cmap="tab10", vmax=9, s=8, alpha=0.6)
        ax.plot(*paths[: step.iteration + 1].transpose(2, 0, 1), color="black", lw=1)
        ax.scatter(*step.centroids.T, color="black", marker="X", s=90)
        last = ", the last" if step is steps[-1] else ""
        ax.set_title(f"step {step.iteration}{last}: J = {step.inertia:.0f}")
        ax.set_xticks([])
        ax.set_yticks([])
    figure.savefig(output, dpi=80)


if __name__ == "__main__":
    main(sys.argv[1])
