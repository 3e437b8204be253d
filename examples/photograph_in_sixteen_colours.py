"""A photograph in sixteen colours
===============================

The sixteen colours of a photograph, found from twenty random starts.

Each of the twenty fits starts from sixteen distinct random pixels, and the fit of the lowest J is
used. The photograph is a cube (y, x, colour) in a Zarr store. Because its colours repeat, one read
serves all twenty fits. The same code works for a store that is larger than memory: only the final
picture loads it completely.

Needs: ``pip install 'streamkm[images]'``

Usage: ``python examples/photograph_in_sixteen_colours.py OUTPUT.png``
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import zarr
from PIL import Image
from sklearn.datasets import load_sample_image

from streamkm import KMeans


def main(output: str) -> None:
    photograph = load_sample_image("flower.jpg")
    with tempfile.TemporaryDirectory() as folder:
        store = zarr.create_array(
            Path(folder) / "photograph.zarr",
            data=photograph,
            chunks=(100, 160, 3),
            dimension_names=("y", "x", "colour"),
        )
        km = KMeans(16, feature_dim="colour", init="random", n_init=20, random_state=0).fit(store)
        palette = km.cluster_centers_.round().astype(np.uint8)
        Image.fromarray(palette[km.labels_.compute()]).save(output)
    for number, inertia in enumerate(km.history_["inertia"], 1):
        print(f"J after {number - 1} steps: {inertia / photograph[..., 0].size:.2f}")
    print(f"stopped by {km.stop_reason_} after {km.n_passes_} read: twenty restarts, one read")


if __name__ == "__main__":
    main(sys.argv[1])
