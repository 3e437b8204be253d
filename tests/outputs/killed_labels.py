"""Kill the labelling into npy and GeoTIFF files at some events, in a process that forks.

python -m tests.outputs.killed_labels FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import rasterio.shutil  # loaded here, too
import zarr

import streamkm
import streamkm.cli.commands.predict  # loaded here, once for all children
from streamkm.outputs import label_files, label_geotiff, whole_labels
from streamkm.rows.formats.placeless import placeless
from tests.killed_output import KilledOutput
from tests.killing import load_kernels

NAMES = ("l.npy", "l.tif")


def patches(events, patch):
    patch.setattr(whole_labels, "_PART", 100)
    patch.setattr(Path, "replace", replacing(events))
    for module in (label_files, label_geotiff):
        patch.setattr(module, "pieces", writing(events))


def replacing(events):
    before = Path.replace

    def call(path, target):
        own = Path(target).name in NAMES  # Zarr replaces its files, too
        if own:
            events.happened("outputs before the file is renamed")
        found = before(path, target)
        if own:
            events.happened("outputs after the file is renamed")
        return found

    return call


def writing(events):
    before = label_files.pieces

    def call(array):
        events.happened("file before the first piece")
        for piece in before(array):
            yield piece
            events.happened("file after a piece")

    return call


def right(folder):
    if (folder / "l.npy").exists():
        return np.array_equal(np.load(folder / "l.npy"), WANTED)
    with placeless(), rasterio.open(folder / "l.tif") as file:
        return np.array_equal(file.read(1), WANTED)


if __name__ == "__main__":
    x = np.random.default_rng(0).normal(size=(40, 20, 2))
    load_kernels(x.reshape(-1, 2))
    WANTED = (((x - 1) ** 2).sum(axis=-1) < (x**2).sum(axis=-1)).astype("u1")
    for name in NAMES:
        top = Path(sys.argv[1], name)
        (top / "start").mkdir(parents=True)
        zarr.create_array(top / "start" / "x", data=x, chunks=(3, 20, 2))
        streamkm.KMeans.from_centroids([[0.0, 0.0], [1.0, 1.0]]).save(top / "start" / "m")
        command = ["predict", "m", "x", "--feature-dim", "2", "-o", name]
        KilledOutput(top, command, name, patches, right).kill_and_run_again(6)
