"""A read of files or images: folded on whatever scheduler there is, watched, and gone on with."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import dask

from streamkm.checkpoint import Generations, flatten, restore
from streamkm.engine import Folded, Listed, folding, threads, wave_size
from streamkm.fitting import FitState
from streamkm.images.coding.encode import Encoded
from streamkm.images.coding.tables import Tables
from streamkm.images.compression.catalogue import Catalogue, Files
from streamkm.images.compression.room import Room
from streamkm.passes import Colours

_SAVE_EVERY = 60.0  # seconds
_KNOWN = {kind.__name__: kind for kind in (Folded, Tables, Colours, Encoded)}


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Parameters
    ----------
    phase : 'headers', 'colours', 'patches', 'training', 'codes' or 'files'
    done, total : shares of files, or batches of images; of training the blocks of a read
    """

    phase: str
    done: int
    total: int


Watch = Callable[[Progress], Any]


class Sized(Protocol):
    """What a task is given of images: the largest, decoded, has so many bytes."""

    @property
    def nbytes(self) -> int: ...


@dataclass(frozen=True)
class Reader:
    """How reads are done.

    Parameters
    ----------
    room : Room
    watch : each is called with a `Progress` after every wave
    """

    room: Room
    watch: tuple[Watch, ...] = ()

    def look(self, call: Any, shares: Sequence[Files]) -> Catalogue:
        """What headers tell of some files."""
        catalogue: Catalogue = self._fold("headers", call, shares, threads(), (0, len(shares)))
        return catalogue

    def __call__(
        self, phase: str, call: Any, batches: Sequence[Sized], saved: Path | None = None
    ) -> Any:
        """The statistic of all batches.

        As many images are decoded at once on this process's threads as there is room for: of small
        ones more than of large ones, so those come apart.

        Parameters
        ----------
        phase : for those who watch
        call : makes a statistic of a batch
        batches : of images; a `Batch` each where something is saved
        saved : folder of what an earlier run has gathered, which is not read again, or None
        """
        groups: dict[int, list[Sized]] = {}
        for batch in batches:
            groups.setdefault(self.room.workers(batch.nbytes), []).append(batch)
        parts: list[Any] = []
        done = 0
        for workers, group in sorted(groups.items()):
            kept = Saved(saved / _digest(group)) if saved else None
            parts.append(self._fold(phase, call, group, workers, (done, len(batches)), kept))
            done += len(group)
        return type(parts[0]).combine(parts)

    def trained(self, state: FitState) -> None:
        """Tell of a state of a codebook's training."""
        done = state.folded.n_blocks if state.folded else state.plan.n_blocks
        for see in self.watch:
            see(Progress("training", done, state.plan.n_blocks))

    def _fold(
        self,
        phase: str,
        call: Any,
        pieces: Sequence[Any],
        workers: int,
        of: tuple[int, int],
        saved: Saved | None = None,
    ) -> Any:
        before = (saved.load() if saved else None) or Folded()
        folded = before
        done, total = of
        if done == before.n_blocks == 0:
            for see in self.watch:
                see(Progress(phase, 0, total))
        with dask.config.set(num_workers=workers):
            for folded in folding(call, Listed(pieces), wave_size(), before):
                if saved:
                    saved.save(folded, folded.n_blocks == len(pieces) < total)
                for see in self.watch:
                    see(Progress(phase, done + folded.n_blocks, total))
        return folded.total()


def _digest(group: Sequence[Any]) -> str:
    """Of which batches these are: with other memory or cores, a run goes on in other groups."""
    which = "\n".join(f"{batch.stack} {batch.start}" for batch in group)
    return hashlib.sha256(which.encode()).hexdigest()[:16]


class Saved:
    """What was counted so far, now and then, for a run that goes on."""

    def __init__(self, where: Path) -> None:
        self._where = where
        self._last = time.monotonic()

    def load(self) -> Folded | None:
        """The last that was saved; None where there is none."""
        if not self._where.exists():
            return None
        found = Generations(self._where).load()
        return None if found is None else restore(*found, _KNOWN)

    def save(self, folded: Folded, now: bool = False) -> None:
        """Write it, where it is time, or wanted now."""
        if not now and time.monotonic() - self._last < _SAVE_EVERY:
            return
        arrays: list[Any] = []
        Generations(self._where).save(flatten(folded, arrays), arrays)
        self._last = time.monotonic()
