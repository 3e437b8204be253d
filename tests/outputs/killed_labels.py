"""Kill the labelling into an npy file at some events, in a process that forks.

python -m tests.outputs.killed_labels FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import zarr

import streamkm
import streamkm.cli.commands.predict  # loaded here, once for all children
from streamkm.outputs import label_files, whole_labels
from tests.killed_output import KilledOutput
from tests.killing import load_kernels


def patches(events, patch):
    patch.setattr(whole_labels, "_PART", 100)
    patch.setattr(Path, "replace", replacing(events))
    patch.setattr(label_files, "pieces", writing(events))


def replacing(events):
    before = Path.replace

    def call(path, target):
        own = Path(target).name == "l.npy"  # Zarr replaces its files, too
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
    return np.array_equal(np.load(folder / "l.npy"), WANTED)


if __name__ == "__main__":
    top = Path(sys.argv[1])
    (top / "start").mkdir()
    x = np.random.default_rng(0).normal(size=(800, 2))
    load_kernels(x)
    zarr.create_array(top / "start" / "x", data=x, chunks=(50, 2))
    streamkm.KMeans.from_centroids([[0.0, 0.0], [1.0, 1.0]]).save(top / "start" / "m")
    WANTED = (((x - 1) ** 2).sum(axis=1) < (x**2).sum(axis=1)).astype("u1")
    command = ["predict", "m", "x", "-o", "l.npy"]
    KilledOutput(top, command, "l.npy", patches, right).kill_and_run_again(12)
