"""Kill fits and hierarchies of many clusters at random moments, and run them again.

python -m tests.runs.killed_many_clusters FOLDER [--moments 8] [--clusters 2000] [--rows 3000]
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import time
from pathlib import Path

import numpy as np

import streamkm
import streamkm.cli.commands.tree  # loaded here, once for all children
from streamkm.checkpoint import periodic
from tests import killing

RULES = ["--init", "two-level", "--max-iter", "2", "--tol", "0"]
COMMANDS = {"fit": ["--checkpoint", "{}/ckpt", "--checkpoint-every", "0"], "tree": []}


def command(name, folder):
    more = [each.format(folder) for each in COMMANDS[name]]
    return [name, str(folder / "x"), "-o", str(folder / "model"), "-k", K, *RULES, *more]


def bits(folder):
    """The centroids and the loss, and the files beside the model."""
    model = streamkm.load_model(folder / "model")
    parents = [] if model.hierarchy is None else [p.tobytes() for p in model.hierarchy.parents]
    left = {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}
    return model.centroids.tobytes(), model.inertia, parents, left


def make(folder):
    killing.make(folder, X, len(X) // 10)
    (folder / "signalled").touch()  # no signal before the kill
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--moments", type=int, default=8)
    parser.add_argument("--clusters", default="2000")
    parser.add_argument("--rows", type=int, default=3000)
    asked = parser.parse_args()
    periodic.SECONDS = 0.0
    X = np.random.default_rng(0).normal(size=(asked.rows, 3)).astype("f4")
    K = asked.clusters
    killing.load_kernels(X)
    random.seed(0)
    for name in COMMANDS:
        whole = make(asked.folder / name)
        began = time.monotonic()
        assert killing.run(whole, command(name, whole)) == 0, (whole / "said").read_text()
        took = time.monotonic() - began
        for case in range(asked.moments):
            folder = make(asked.folder / f"{name}-{case}")
            moment = random.uniform(0.2, 0.9) * took
            status = killing.run(folder, command(name, folder), after=moment)
            killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
            there = (folder / "model").exists()
            print(
                f"{name} killed after {moment:.2f} of {took:.2f} s, finished: {there}", flush=True
            )
            if killed and not there:
                assert killing.run(folder, command(name, folder)) == 0, (
                    folder / "said"
                ).read_text()
            assert bits(folder) == bits(whole)
            shutil.rmtree(folder)
