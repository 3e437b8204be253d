"""A course assignment: simulated data and digits
==============================================

Cluster simulated data and the digits 0 and 1, choose k, and name clusters by ten labelled rows.

400 fits (k = 1..20, 20 runs each) share their reads, and their losses on held-out rows take one
more read. This also holds for a store that is larger than memory.

Needs: ``pip install 'streamkm[plot]'``

Usage: ``python examples/assignment_simulated_and_digits.py OUTPUT.png``
"""

from __future__ import annotations

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits, make_blobs
from sklearn.preprocessing import scale

import streamkm

RULES = {"max_iter": 50, "tol": 0, "loss_tol": 1e-5}  # the assignment's


def main(output: str) -> None:
    figure = plt.figure(figsize=(16, 8), layout="constrained")
    axes = figure.subplots(2, 3)
    simulated, _ = make_blobs(1500, centers=4, cluster_std=1.2, random_state=7)
    km = streamkm.KMeans(4, random_state=0, **RULES).fit(simulated)
    streamkm.plot.clusters(km, simulated, axes[0, 0])
    streamkm.plot.elbow(streamkm.sweep(simulated, range(1, 11), n_init=20), axes[0, 1])

    digits = load_digits(n_class=2)
    x, y = scale(digits.data), digits.target
    train, held, truth = x[:288], x[288:], y[288:]
    found = streamkm.sweep(train, range(1, 21), n_init=20, validation=held, **RULES)
    streamkm.plot.elbow(found, axes[0, 2])
    fits, reads = found["iterations"].size, found.attrs["n_passes"]
    loss, held_loss = found["train_mean"].values[0], found["validation_mean"].values[0]
    print(f"{fits} fits in {reads} read; {found.attrs['verdict']}")
    print(f"k=1: train loss {loss * len(train):,.3f}, validation loss {held_loss * len(held):,.3f}")

    km = streamkm.KMeans(2, init="random", n_init=20, random_state=0, **RULES).fit(train)
    streamkm.plot.clusters(km, train, axes[1, 0])
    streamkm.plot.loss(km, axes[1, 1])
    nearest = km.representatives(train, 5).numbers[0]
    axes[1, 2].imshow(np.hstack(digits.images[nearest]), cmap="gray_r")
    axes[1, 2].set_title("the five members nearest a centre")
    axes[1, 2].axis("off")
    names = km.name_clusters(train[:10], y[:10])
    right = float((names[km.predict(held)] == truth).mean())
    print(
        f"clusters named from ten labelled rows: {right:.1%} of {len(held)} held-out digits right"
    )
    print(f"stopped by {km.stop_reason_}")
    figure.savefig(output, dpi=80)


if __name__ == "__main__":
    main(sys.argv[1])
