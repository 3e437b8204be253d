"""Reads of files or images: folded on any scheduler, reported to callbacks, and resumable."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import dask

from streamkm.checkpoint import Generations, Record, Saved, difference, load_saved
from streamkm.engine import Folded, Listed, folding, threads, wave_size
from streamkm.fitting import FitState
from streamkm.images.compression.catalogue import Catalogue, Files
from streamkm.images.compression.room import Room
from streamkm.progress import PhaseCallback, Progress

_SAVE_EVERY = 60.0  # seconds


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
    room : Room
    watch : each is called with a `Progress` after every wave
    """

    room: Room
    watch: tuple[PhaseCallback, ...] = ()

    def report(self, phase: str, done: int, total: int, unit: str = "batches") -> None:
        """Report the progress of a phase."""
        for report in self.watch:
            report(Progress(phase, done, total, unit))

    def look(self, call: Any, shares: Sequence[Files]) -> Catalogue:
        """The catalogue of the headers of some files."""
        catalogue: Catalogue = self._fold("headers", call, shares, threads(), (0, len(shares)))
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
            groups.setdefault(self.room.workers(batch.nbytes), []).append(batch)
        parts: list[Any] = []
        done = 0
        for workers, group in sorted(groups.items()):
            saving = _Saving(folder / f"{workers}", group) if folder else None
            parts.append(self._fold(phase, call, group, workers, (done, len(batches)), saving))
            done += len(group)
        return type(parts[0]).combine(parts)

    def report_training(self, state: FitState) -> None:
        """Report a state of the training of a codebook."""
        done = state.folded.n_blocks if state.folded else state.plan.n_blocks
        self.report("training", done, state.plan.n_blocks, "blocks")

    def _fold(
        self,
        phase: str,
        call: Any,
        pieces: Sequence[Any],
        workers: int,
        place: tuple[int, int],
        saving: _Saving | None = None,
    ) -> Any:
        folded = before = saving.load() if saving else Folded()
        done, total = place
        if done == before.n_blocks == 0:
            self.report(phase, 0, total)
        with dask.config.set(num_workers=workers):
            for folded in folding(call, Listed(pieces), wave_size(), before):
                if saving:
                    saving.save(folded, folded.n_blocks == len(pieces) < total)
                self.report(phase, done + folded.n_blocks, total)
        return folded.total()


class _Saving:
    """Partial statistics of a group of batches, saved periodically.

    With different memory or cores the groups differ, and folding starts again.

    Parameters
    ----------
    where : folder of the saved statistics
    group : the batches
    """

    def __init__(self, where: Path, group: Sequence[Any]) -> None:
        batches = "\n".join(f"{batch.stack} {batch.start}" for batch in group)
        digest = hashlib.sha256(batches.encode()).hexdigest()
        self._where, self._record = where, Record("read", {}, {"batches": digest})
        self._last = time.monotonic()

    def load(self) -> Folded:
        """Return the statistics of an earlier run of the same batches, or an empty fold."""
        saved = load_saved(Generations(self._where)) if self._where.exists() else None
        if saved is None or difference(saved.record, self._record):
            return Folded()
        folded: Folded = saved.state
        return folded

    def save(self, folded: Folded, now: bool = False) -> None:
        """Save the statistics if that is due, or now."""
        if now or time.monotonic() - self._last >= _SAVE_EVERY:
            Saved(self._record, folded).save(Generations(self._where))
            self._last = time.monotonic()
