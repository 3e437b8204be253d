"""Restarts, losses and elbows of two photographs
==============================================

Restarts, the loss curve, and the elbow of two photographs for k = 1..9.

Both photographs are cubes (y, x, colour) in Zarr stores, at a quarter of their width and height.
The fits of every k with every restart share their reads; because the colours of the pixels repeat,
a single read is enough.

Needs: ``pip install 'streamkm[plot]'``

Usage: ``python examples/primer_two_photographs_and_their_elbows.py OUTPUT.png``
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import zarr
from sklearn.datasets import load_sample_image

import streamkm
import streamkm.plot


def main(output: str) -> None:
    figure, axes = plt.subplots(2, 4, figsize=(18, 7), layout="constrained")
    for row, name in zip(axes, ("china", "flower"), strict=True):
        photograph = load_sample_image(f"{name}.jpg")[::4, ::4]
        with tempfile.TemporaryDirectory() as folder:
            store = zarr.create_array(
                Path(folder) / "photograph.zarr",
                data=photograph,
                chunks=(50, 80, 3),
                dimension_names=("y", "x", "colour"),
            )
            found = streamkm.sweep(store, range(1, 10), n_init=10, feature_dim="colour")
            # Stop when the distortion drops by less than one.
            km = streamkm.KMeans(
                9, feature_dim="colour", init="random", random_state=0, tol=0, distortion_tol=1.0
            ).fit(store)
            labels = km.labels_.compute()
        row[0].imshow(photograph)
        row[1].imshow(km.cluster_centers_.round().astype(np.uint8)[labels])
        row[1].set_title("in nine colours")
        streamkm.plot.loss(km, row[2])
        streamkm.plot.elbow(found, row[3])
        for ax in row[:2]:
            ax.axis("off")
        spread = (found["train_spread"] / found["train_mean"]).values
        print(f"{name}: {found.attrs['verdict']}; {found['iterations'].size} fits in", end=" ")
        print(f"{found.attrs['n_passes']} read of the pixels; stopped by {km.stop_reason_}")
        print("  spread over restarts, k = 2..9:", " ".join(f"{s:.1%}" for s in spread[1:]))
    figure.savefig(output, dpi=80)


if __name__ == "__main__":
    main(sys.argv[1])
