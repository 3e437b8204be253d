"""Kill a run at any of its events and resume it; used by the tests and by scripts/soak.

Events are writes and removals in a store, renames of outputs, and ends of waves. A tracing run
numbers them. Child processes are then killed at selected events.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import signal
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import dask
import numpy as np
import pytest
import zarr
from zarr.storage import LocalStore

import streamkm.cli.commands.fit  # loaded here, once for all children
import streamkm.rows.opened
from streamkm.checkpoint import Generations, load_saved
from streamkm.cli import main
from streamkm.cli.signals import Stopping
from streamkm.engine import schedule
from streamkm.fitting import first_state, iterate, label
from streamkm.fitting.saving import Checkpoint
from streamkm.rows import memory, open_rows

K = 5
SIGNALLED_AFTER = 2  # reads


def command(folder, *more):
    """A fit with labels whose blocks are small, and a state saved after every wave."""
    names = {"-o": "model", "--labels": "labels", "--checkpoint": "ckpt"}
    outputs = [str(part) for name, value in names.items() for part in (name, folder / value)]
    rules = ["--max-iter", "2", "--tol", "0", "--checkpoint-every", "0"]
    return ["fit", str(folder / "x"), "-k", str(K), "--init", "random", *outputs, *rules, *more]


def load_kernels(x):
    """Load compiled kernels for rows like x, once for all children; each would take half a second.

    The synchronous scheduler starts no threads, which a child would not have.
    """
    with dask.config.set(scheduler="synchronous"):
        opened = open_rows(x)
        state = iterate(opened, first_state(opened, K, "random", [1]))
        label(opened, state, np.empty(len(x), np.uint8))


def make(folder, x, chunk):
    folder.mkdir(parents=True)
    zarr.create_array(folder / "x", data=x, chunks=(chunk, x.shape[1]), compressors=None)


def bits(folder):
    """A digest of all outputs of a run, without times and numbers of writes."""
    model, labels = zarr.open_group(folder / "model", mode="r"), zarr.open_array(folder / "labels")
    whole = hashlib.sha256()
    arrays = [model["centroids"], *(a for _, a in sorted(model["history"].arrays())), labels]
    for array in arrays:
        whole.update(array[...].tobytes())
    whole.update(
        repr([model.attrs[name] for name in ("inertia", "n_passes", "stop_reason")]).encode()
    )
    left = sorted(path.name for path in folder.iterdir())
    return whole.hexdigest(), left


class Events:
    """Counts and logs events, and kills the process at one of them.

    Parameters
    ----------
    log : file that receives one line per event
    last : number of the event at which the process is killed, or None
    """

    def __init__(self, log, last=None):
        self._log, self._last, self._count = Path(log), last, 0
        self._signal = self._log.with_name("signalled")

    def happened(self, what):
        with self._log.open("a") as log:
            log.write(f"{what}\n")
        self._count += 1
        if self._count == self._last:
            os.kill(os.getpid(), signal.SIGKILL)

    @contextmanager
    def around(self):
        """Hooks before and after each event."""
        hooks = [
            (LocalStore, "set", self._writing),
            (LocalStore, "delete_dir", self._writing),
            (Path, "rename", self._renaming),
            (Checkpoint, "on_state", self._seeing),
            (Stopping, "catch", self._catching),
        ]
        self.phase = "start"  # the next writes belong to this phase
        with pytest.MonkeyPatch.context() as patch:
            for owner, name, wrapper in hooks:
                patch.setattr(owner, name, wrapper(owner.__dict__[name]))
            yield

    def _writing(self, before):
        async def call(store, key, *args, **options):
            self.happened(f"{self.phase} before {before.__name__} {key}")
            await before(store, key, *args, **options)
            self.happened(f"{self.phase} after {before.__name__} {key}")

        return call

    def _renaming(self, before):
        def call(path, target):
            self.happened(f"outputs before rename {Path(target).name}")
            found = before(path, target)
            self.happened(f"outputs after rename {Path(target).name}")
            return found

        return call

    def _seeing(self, before):
        def call(checkpoint, state):
            self.phase = "labelling" if state.label_blocks else state.phase
            self.happened(f"{self.phase} wave {position(state)}")
            if state.n_passes == SIGNALLED_AFTER and not self._signal.exists():
                self._signal.touch()
                os.kill(os.getpid(), signal.SIGTERM)  # handled at the end of the next wave
            return before(checkpoint, state)

        return call

    def _catching(self, before):
        def call(stopping, number, frame):
            self.phase = "signal"
            self.happened("signal before it is caught")
            before(stopping, number, frame)
            self.happened("signal after it is caught")

        return call


def position(state):
    """The progress of a fit: reads, blocks of the next read, iterations."""
    steps = sum(len(t.history) for t in state.trajectories)
    return f"{state.n_passes}:{state.read_blocks}:{steps}"


def run(folder, arguments, last=None, after=None):
    """Run in a child and return its wait status; with `after`, kill it after these seconds."""
    n_rows = json.loads((folder / "x" / "zarr.json").read_text())["shape"][0]
    child = os.fork()  # no thread of Dask was started here; a fresh process takes two seconds
    if child == 0:
        code = 70
        try:
            warnings.simplefilter("ignore")
            streamkm.rows.opened._SMALLEST_NBYTES = 1
            schedule._ENOUGH = 3  # waves of eight blocks
            memory.TABLE_NBYTES = memory.KEPT_SHARE = (
                0  # otherwise only the first step takes a read
            )
            memory.SAMPLE_NBYTES = 5 * n_rows  # room for about a twelfth of the rows
            quiet = os.open(folder / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            with Events(folder / "events", last).around():
                code = until_done(arguments)
        finally:
            os._exit(code)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def until_done(arguments):
    """The exit code of a command that is repeated while it exits with the code for that."""
    while True:
        try:
            main(arguments, standalone_mode=False)
        except SystemExit as end:
            if end.code == 75:
                continue
            return end.code
        return 0


def events_of(folder):
    """The events of a run, in order; empty if it was killed before the first."""
    found = folder / "events"
    return found.read_text().splitlines() if found.exists() else []


def lost(folder):
    """The number of finished waves that are not in the checkpoint."""
    waves = [line.split()[-1] for line in events_of(folder) if " wave " in line]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a kill damages no complete state
        begun = (folder / "ckpt" / "zarr.json").exists()
        saved = load_saved(Generations(folder / "ckpt", "r")) if begun else None
    if saved is None or not waves:
        return len(waves)
    where = _ordered(position(saved.state))
    labelled = _labelled_blocks(folder)
    unsaved = [
        line
        for line in events_of(folder)
        if line.startswith("labelling wave") and int(line.split(":")[1]) > labelled
    ]
    return max(len(unsaved), sum(_ordered(wave) > where for wave in waves))


def _labelled_blocks(folder):
    """Blocks whose labels the next run does not write again."""
    progress = folder / ".labels.progress"
    if (folder / "labels").exists():
        return math.inf
    if not (progress / "zarr.json").exists():
        return 0
    saved = load_saved(Generations(progress, "r"))
    return 0 if saved is None else saved.state.n_blocks


def _ordered(place):
    return tuple(map(int, place.split(":")))
