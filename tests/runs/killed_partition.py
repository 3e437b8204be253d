"""Kill a partition at some events, in a process that forks, and resume it.

python -m tests.runs.killed_partition FOLDER
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import zarr

import streamkm
import streamkm.cli.commands.partition  # loaded here, once for all children
from streamkm.outputs import partition_formats
from streamkm.runs import partition
from tests.killed_output import KilledOutput
from tests.killing import load_kernels


def patches(events, patch):
    patch.setattr(partition, "BLOCK_NBYTES", 1200)
    patch.setattr(partition_formats, "_CHUNK_NBYTES", 800)
    patch.setattr(os, "replace", replacing(events))


def replacing(events):
    before = os.replace

    def call(source, target):
        events.happened(f"run before {Path(target).name}")
        before(source, target)
        events.happened(f"run after {Path(target).name}")

    return call


def right(folder):
    parts = streamkm.open_partition(folder / "p")
    return np.array_equal(parts.numbers[...], ORDER) and np.array_equal(parts.rows[...], X[ORDER])


if __name__ == "__main__":
    top = Path(sys.argv[1])
    (top / "start").mkdir()
    X = np.random.default_rng(0).normal(size=(500, 2))
    load_kernels(X)
    zarr.create_array(top / "start" / "x", data=X, chunks=(50, 2))
    streamkm.KMeans.from_centroids([[0.0, 0.0], [1.0, 1.0]]).save(top / "start" / "m")
    ORDER = np.argsort(((X - 1) ** 2).sum(axis=1) < (X**2).sum(axis=1), kind="stable")
    command = ["partition", "m", "x", "-o", "p"]
    KilledOutput(top, command, "p", patches, right).kill_and_run_again(3)
