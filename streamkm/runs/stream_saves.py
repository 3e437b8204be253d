"""Saved states of a stream, of stores or of a feed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from streamkm.checkpoint import Periodic, Record, load_saved, locked
from streamkm.checkpointable import Checkpointable
from streamkm.fitting.record import refuse_other
from streamkm.outputs import refuse_overlap
from streamkm.rows import Rows
from streamkm.runs.options import CheckpointOptions


class Saves:
    """The saved states of a stream; created by `saving`.

    Parameters
    ----------
    periodic : Periodic, or None if nothing is saved
    """

    def __init__(self, periodic: Periodic | None = None) -> None:
        self._periodic = periodic
        self.last: Any = None

    @property
    def due(self) -> bool:
        """Whether the last state was saved long enough ago."""
        return self._periodic is not None and self._periodic.due

    @property
    def identity(self) -> str:
        """The same in all runs that resume one another; empty without a checkpoint."""
        return "" if self._periodic is None else self._periodic.record.identity

    def on_state(self, state: Checkpointable) -> None:
        """Keep the state, and save it if it is due."""
        self.last = state
        if self.due:
            self.save()

    def save(self) -> bool:
        """Save the last state now; return whether it is saved."""
        if self._periodic is None or self.last is None:
            return False
        return self._periodic.save(self.last)


@contextmanager
def saving(
    checkpoint: CheckpointOptions | None, record: Record, rows: Sequence[Rows] = ()
) -> Iterator[Saves]:
    """Yield the saved states of a stream, whose `last` is that of an earlier run, if any.

    Parameters
    ----------
    checkpoint : CheckpointOptions, or None to save nothing
    record : Record
    rows : the rows of the stores, which the checkpoint must not overlap

    Raises
    ------
    CheckpointError, DataChangedError
        If the checkpoint belongs to another stream, or another run uses it.
    """
    if checkpoint is None:
        yield Saves()
        return
    for array in (array for each in rows for array in each.sources):
        refuse_overlap(checkpoint.where, array)
    with locked(checkpoint.where) as (generations, lock):

        def opened() -> Any:
            lock.renew()
            return generations

        periodic = Periodic(generations.where, opened, record, checkpoint.seconds)
        saves, saved = Saves(periodic), load_saved(generations)
        if saved is not None:
            refuse_other(saved.record, record, generations.where)
            periodic.resume(saved.record)
            saves.last = saved.state
        yield saves
