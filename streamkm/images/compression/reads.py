"""Reads of files or images: folded on any scheduler, reported to callbacks, and resumable."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import dask

from streamkm.checkpoint import Periodic, Record, difference, load_progress
from streamkm.engine import Folded, Listed, folding, threads, wave_size
from streamkm.files.items import Item
from streamkm.fitting import FitState
from streamkm.images.compression.catalogue import Catalogue, ReadHeaders, file_groups
from streamkm.images.compression.memory import ImageMemory
from streamkm.progress import PhaseCallback, Progress
from streamkm.versions import versions


class Sized(Protocol):
    """The images that one task decodes."""

    @property
    def nbytes(self) -> int:
        """Decoded bytes of the largest image."""


@dataclass(frozen=True)
class Reader:
    """How images are read.

    Parameters
    ----------
    memory : ImageMemory
    watch : each is called with a `Progress` after every wave
    """

    memory: ImageMemory
    watch: tuple[PhaseCallback, ...] = ()

    def report(self, phase: str, done: int, total: int, unit: str = "batches") -> None:
        """Report the progress of a phase."""
        for report in self.watch:
            report(Progress(phase, done, total, unit))

    def catalogue(self, items: Sequence[Item], skip_bad: bool) -> Catalogue:
        """The catalogue of the headers of some files; damaged files may be skipped."""
        read, groups = ReadHeaders(self.memory.image_nbytes, skip_bad), file_groups(items)
        catalogue: Catalogue = self._fold("headers", read, groups, threads(), (0, len(groups)))
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
        done = 0
        for workers, group in sorted(groups.items()):
            saved = folder / f"{workers}" if folder else None
            parts.append(self._fold(phase, call, group, workers, (done, len(batches)), saved))
            done += len(group)
        return type(parts[0]).combine(parts)

    def report_training(self, state: FitState) -> None:
        """Report a state of the training of a codebook."""
        n_blocks = state.plan.n_blocks
        self.report("training", state.read_blocks or n_blocks, n_blocks, "blocks")

    def _fold(
        self,
        phase: str,
        call: Any,
        pieces: Sequence[Any],
        workers: int,
        place: tuple[int, int],
        folder: Path | None = None,
    ) -> Any:
        saving, before = _resume(folder, pieces) if folder else (None, Folded())
        folded = before
        done, total = place
        if done == before.n_blocks == 0:
            self.report(phase, 0, total)
        with dask.config.set(num_workers=workers):
            for folded in folding(call, Listed(pieces), wave_size(), before):
                if saving and (saving.due or folded.n_blocks == len(pieces) < total):
                    saving.save(folded)
                self.report(phase, done + folded.n_blocks, total)
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
