"""Kill the labelling into an npy file at some events, in a process that forks.

python -m tests.outputs.killed_labels FOLDER
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
import streamkm.cli.commands.predict  # loaded here, once for all children
import streamkm.rows.opened
from streamkm.checkpoint import periodic
from streamkm.cli import main
from streamkm.engine import schedule
from streamkm.outputs import label_files, whole_labels
from tests.killing import Events, load_kernels
from tests.soak import spread


def run(folder, last=None, *more):
    """Label in a child process; return its wait status."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    code = 70
    try:
        os.chdir(folder)
        streamkm.rows.opened._SMALLEST_NBYTES = 1
        schedule._ENOUGH = 3  # waves of eight blocks
        periodic.SECONDS, whole_labels._PART = 0.0, 100
        events = Events(folder / "events", last)
        with events.around(), pytest.MonkeyPatch.context() as patch:
            events.phase = "store"
            patch.setattr(Path, "replace", replacing(events))
            patch.setattr(label_files, "pieces", writing(events))
            main(["predict", "m", "x", "-o", "l.npy", *more], standalone_mode=False)
        code = 0
    finally:
        os._exit(code)


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


def whole(folder):
    """Whether the labels are right and nothing else is left; locks go with the next run."""
    hidden = [n for n in os.listdir(folder) if n.startswith(".") and not n.endswith(".lock")]
    return not hidden and np.array_equal(np.load(folder / "l.npy"), WANTED)


if __name__ == "__main__":
    top = Path(sys.argv[1])
    (top / "start").mkdir()
    x = np.random.default_rng(0).normal(size=(800, 2))
    load_kernels(x)
    zarr.create_array(top / "start" / "x", data=x, chunks=(50, 2))
    streamkm.KMeans.from_centroids([[0.0, 0.0], [1.0, 1.0]]).save(top / "start" / "m")
    WANTED = (((x - 1) ** 2).sum(axis=1) < (x**2).sum(axis=1)).astype("u1")
    shutil.copytree(top / "start", top / "whole")
    assert run(top / "whole") == 0
    assert whole(top / "whole")
    for last in spread((top / "whole" / "events").read_text().splitlines(), 12):
        folder = top / str(last)
        shutil.copytree(top / "start", folder)
        assert os.WTERMSIG(run(folder, last)) == signal.SIGKILL
        event = (folder / "events").read_text().splitlines()[-1]
        print("killed", event, flush=True)
        published = (folder / "l.npy").exists()
        assert not published or np.array_equal(np.load(folder / "l.npy"), WANTED), event
        assert run(folder, None, *(["--overwrite"] if published else [])) == 0, event
        assert whole(folder), event
