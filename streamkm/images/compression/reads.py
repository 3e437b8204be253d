"""Reads of files or images: folded on any scheduler, reported to callbacks, and resumable."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import dask
import numpy as np
from dask.callbacks import Callback

from streamkm.checkpoint import Periodic, Record, difference, load_progress
from streamkm.engine import Folded, Listed, folding, threads, wave_size
from streamkm.files.items import Item
from streamkm.fitting import FitState
from streamkm.images.compression.catalogue import Catalogue, ReadHeaders, file_groups
from streamkm.images.compression.memory import ImageMemory
from streamkm.progress import PhaseCallback, Progress
from streamkm.versions import versions


class Sized(Protocol):
    """The images that one task decodes; its length is their number."""

    def __len__(self) -> int: ...

    @property
    def nbytes(self) -> int:
        """Decoded bytes of an image."""


@dataclass(frozen=True)
class Reader:
    """How images are read.

    Parameters
    ----------
    memory : ImageMemory
    watch : each is called with a `Progress` after every task, on a cluster after every wave
    srgb : whether colours are converted to sRGB
    frames : whether each frame of an animation is an image
    """

    memory: ImageMemory
    watch: tuple[PhaseCallback, ...] = ()
    srgb: bool = False
    frames: bool = False

    def catalogue(self, items: Sequence[Item]) -> Catalogue:
        """The catalogue of the headers of some files."""
        if not items:
            return Catalogue()
        read = ReadHeaders(self.memory.image_nbytes, self.srgb, self.frames)
        groups = file_groups(items)
        tasks = _Tasks("headers", "files", groups, self.watch)
        catalogue: Catalogue = _fold(read, groups, threads(), tasks)
        return catalogue

    def __call__(
        self, phase: str, call: Any, batches: Sequence[Sized], folder: Path | None = None
    ) -> Any:
        """The statistic of all batches.

        The memory limits how many images are decoded at once: more small images than large ones.
        Batches are therefore grouped by the number of threads.

        Parameters
        ----------
        phase : name of the phase, for progress
        call : computes the statistic of a batch
        batches : batches of images; each is a `Batch` if statistics are saved
        folder : folder of the statistics of an earlier run, which are not computed again, or None
        """
        groups: dict[int, list[Sized]] = {}
        for batch in batches:
            groups.setdefault(self.memory.workers(batch.nbytes), []).append(batch)
        parts: list[Any] = []
        ordered = [batch for _, group in sorted(groups.items()) for batch in group]
        tasks = _Tasks(phase, "images", ordered, self.watch)
        for workers, group in sorted(groups.items()):
            saved = folder / f"{workers}" if folder else None
            parts.append(_fold(call, group, workers, tasks, saved))
        return type(parts[0]).combine(parts)

    def report_training(self, state: FitState) -> None:
        """Report a state of the training of a codebook."""
        n_blocks = state.plan.n_blocks
        now = Progress("training", state.read_blocks or n_blocks, n_blocks, "blocks")
        for report in self.watch:
            report(now)


class _Tasks(Callback):  # type: ignore[misc]
    """Reports the finished images of a phase, whose tasks are read in groups.

    Parameters
    ----------
    phase : name of the phase
    unit : name of the units, in the plural
    pieces : the images of each task, in the order of the groups
    watch : each is called with a `Progress`
    """

    def __init__(
        self, phase: str, unit: str, pieces: Sequence[Any], watch: Sequence[PhaseCallback]
    ) -> None:
        super().__init__(posttask=self._finished)
        self._phase, self._unit, self._watch = phase, unit, watch
        self._counts = np.cumsum([0, *map(len, pieces)])
        nbytes = [len(piece) * getattr(piece, "nbytes", 0) for piece in pieces]
        self._nbytes = np.cumsum([0, *nbytes])
        # Dask calls back for the work of all threads, and uses other private names.
        self._thread = threading.get_ident()
        self._first = self._behind = 0  # number of the first task of the group, and of the next
        self._done = self._done_nbytes = 0

    def begin(self, n_tasks: int) -> None:
        """Begin the next group, which has `n_tasks`."""
        self._first, self._behind = self._behind, self._behind + n_tasks

    @property
    def is_last(self) -> bool:
        """Whether this is the last group."""
        return self._behind == len(self._counts) - 1

    def advance_to(self, n_tasks: int) -> None:
        """Report that the first tasks of the group are finished."""
        place = self._first + n_tasks
        self._report(int(self._counts[place]), int(self._nbytes[place]))

    def _finished(self, key: Any, *_: Any) -> None:
        """Report a finished task; the end of a group is reported once its statistic is saved."""
        block = isinstance(key, tuple) and str(key[0]).endswith("-block")
        if not block or threading.get_ident() != self._thread:
            return
        place = self._first + int(key[1])
        done = self._done + int(self._counts[place + 1] - self._counts[place])
        if done < self._counts[self._behind]:
            nbytes = int(self._nbytes[place + 1] - self._nbytes[place])
            self._report(done, self._done_nbytes + nbytes)

    def _report(self, done: int, nbytes: int) -> None:
        self._done, self._done_nbytes = done, nbytes
        total, total_nbytes = int(self._counts[-1]), int(self._nbytes[-1])
        for report in self._watch:
            report(Progress(self._phase, done, total, self._unit, nbytes, total_nbytes))


def _fold(
    call: Any, pieces: Sequence[Any], workers: int, tasks: _Tasks, folder: Path | None = None
) -> Any:
    """The statistic of a group of tasks."""
    saving, before = _resume(folder, pieces) if folder else (None, Folded())
    folded = before
    tasks.begin(len(pieces))
    tasks.advance_to(before.n_blocks)
    with dask.config.set(num_workers=workers), tasks:
        for folded in folding(call, Listed(pieces), wave_size(), before):
            # The end of a group is saved if others follow, or damaged images may end the run.
            ended = folded.n_blocks == len(pieces)
            if saving and (saving.due or (ended and (not tasks.is_last or folded.total().bad))):
                saving.save(folded)
            tasks.advance_to(folded.n_blocks)
    return folded.total()


def _resume(folder: Path, batches: Sequence[Any]) -> tuple[Periodic, Folded]:
    """Return how the statistics of a group of batches are saved, and those that a folder has.

    With different memory or cores the groups differ, and folding starts again.
    """
    names = "\n".join(f"{batch.stack} {batch.start}" for batch in batches)
    digest = hashlib.sha256(names.encode()).hexdigest()
    record = Record("read", {}, {"batches": digest}, versions=versions())
    saving, saved = Periodic.in_folder(folder, record), load_progress(folder)
    if saved is None or difference(saved.record, record):
        return saving, Folded()
    saving.resume(saved.record)
    return saving, saved.state
