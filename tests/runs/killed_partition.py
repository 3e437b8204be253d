"""Kill a partition at some events, in a process that forks, and resume it.

python -m tests.runs.killed_partition FOLDER
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

import streamkm
import streamkm.cli.commands.partition  # loaded here, once for all children
import streamkm.rows.opened
from streamkm.checkpoint import periodic
from streamkm.cli import main
from streamkm.engine import schedule
from streamkm.outputs import partition_formats
from streamkm.runs import partition
from tests.killing import Events, load_kernels
from tests.soak import spread


def run(folder, last=None, *more):
    """Partition in a child process; return its wait status."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    code = 70
    try:
        os.chdir(folder)
        streamkm.rows.opened._SMALLEST_NBYTES = 1
        schedule._ENOUGH = 3  # waves of eight blocks
        periodic.SECONDS = 0.0
        partition.BLOCK_NBYTES, partition_formats._CHUNK_NBYTES = 1200, 800
        events = Events(folder / "events", last)
        with events.around(), pytest.MonkeyPatch.context() as patch:
            events.phase = "store"
            patch.setattr(os, "replace", replacing(events))
            main(["partition", "m", "x", "-o", "p", *more], standalone_mode=False)
        code = 0
    finally:
        os._exit(code)


def replacing(events):
    before = os.replace

    def call(source, target):
        events.happened(f"run before {Path(target).name}")
        before(source, target)
        events.happened(f"run after {Path(target).name}")

    return call


def whole(folder):
    """Whether the partition is right and nothing else is left; locks go with the next run."""
    hidden = [n for n in os.listdir(folder) if n.startswith(".") and not n.endswith(".lock")]
    return not hidden and right(folder)


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
    shutil.copytree(top / "start", top / "whole")
    assert run(top / "whole") == 0
    assert whole(top / "whole")
    for last in sorted(set(spread((top / "whole" / "events").read_text().splitlines(), 3))):
        folder = top / str(last)
        shutil.copytree(top / "start", folder)
        assert os.WTERMSIG(run(folder, last)) == signal.SIGKILL
        event = (folder / "events").read_text().splitlines()[-1]
        print("killed", event, flush=True)
        published = (folder / "p").exists()
        assert not published or right(folder), event
        assert run(folder, None, *(["--overwrite"] if published else [])) == 0, event
        assert whole(folder), event
