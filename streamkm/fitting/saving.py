"""Save the states of a fit, and resume it from them in a later run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

from streamkm.checkpoint import (
    FileLock,
    Generations,
    LeaseLock,
    Periodic,
    Record,
    Saved,
    load_saved,
    locked,
)
from streamkm.fitting.misfits import Watch, plain_errors, refuse_misfit
from streamkm.fitting.record import record_of_fit, refuse_changes, refuse_other
from streamkm.fitting.scaling import with_scaling
from streamkm.fitting.state import FitState
from streamkm.outputs import refuse_overlap
from streamkm.rows import Budget, DaskRows, Rows, in_plan
from streamkm.updates.stopping import StopRules


class Checkpoint:
    """The states of one fit in a Zarr group; created by `checkpointing`.

    Parameters
    ----------
    generations : Generations
    lock : FileLock or LeaseLock, renewed with every state
    rows : Rows, whose fingerprint every state carries
    record : Record of this run
    seconds : minimum time between two saved states; None means one minute
    reads : maximum number of reads between two saved states, or None
    """

    def __init__(
        self,
        generations: Generations,
        lock: FileLock | LeaseLock,
        rows: Rows,
        record: Record,
        seconds: float | None = None,
        reads: int | None = None,
    ) -> None:
        self._generations, self._lock, self._rows, self._reads = generations, lock, rows, reads
        self._saving = Periodic(generations.where, self._locked, record, seconds)
        self._read: float = -1
        self._checked: float = -1
        self._unsaved: FitState | None = None  # the last state if it is not saved
        self.resumed = False

    @property
    def identity(self) -> str:
        """The identity of the fit, the same in all runs that resume one another."""
        return self._saving.record.identity

    def start_or_resume(
        self, start: Callable[[], FitState], rules: Sequence[StopRules], budget: Budget
    ) -> tuple[FitState, Rows, bool]:
        """Return the state to continue from, the rows with its scaling, and whether the run is new.

        Parameters
        ----------
        start : returns the first state; not called if a state is saved
        rules : stop rules of this run, for each trajectory
        budget : Budget of this machine

        Raises
        ------
        CheckpointError, DataChangedError
            As `resume` does.
        MemoryLimitError
            If the blocks of the plan exceed the budget.
        """
        saved = self.resume()
        if saved is None:
            state = start()
            self.save(state)
            return state, with_scaling(self._rows, state.scaling), True
        state = _under(saved.state, rules)
        if saved.record.free.get("labels") != self._saving.record.free.get("labels"):
            state = _without_last_read(state)
        state = replace(state, label_blocks=0)  # the store of labels has its own progress
        return state, with_scaling(in_plan(self._rows, state.plan, budget), state.scaling), False

    def plain_errors(self) -> AbstractContextManager[Callable[[Watch], Watch]]:
        """Convert errors of an impossible state; those of some callbacks, and of Dask, are not."""
        is_dask = isinstance(self._rows, DaskRows)  # whose tasks are the user's code
        return plain_errors(lambda: self.resumed and not is_dask, self._generations.where)

    def resume(self) -> Saved[FitState] | None:
        """Return the last state, or None if no run has used the checkpoint before.

        Raises
        ------
        CheckpointError
            If the checkpoint has other parameters; the message names the first difference.
        DataChangedError
            If the checkpoint belongs to other data.
        """
        saved = load_saved(self._generations)
        if saved is None:
            return None
        refuse_other(saved.record, self._saving.record, self._generations.where)
        refuse_misfit(saved.state, self._rows, self._generations.where)
        self._saving.resume(saved.record)
        self._read, self.resumed = saved.state.n_passes, True
        return saved

    def on_state(self, state: FitState) -> None:
        """Save the state if it is due; between two reads, check that the data are unchanged.

        Raises
        ------
        DataChangedError
            If the chunks of the store have changed since the fit started.
        """
        due = self._saving.due
        due |= self._reads is not None and state.n_passes - self._read >= self._reads
        reading = state.read_blocks > 0
        self._unsaved = state
        if due or (state.done and not reading):
            self.save(state)
        elif not reading and not state.in_memory and state.n_passes >= self._checked + 1:
            self._checked = state.n_passes
            self._check_data()

    def on_search(self, step: str) -> None:
        """Save the last state if it is due, at a step of a search in memory that follows it.

        Raises
        ------
        DataChangedError
            If the chunks of the store have changed since the fit started.
        """
        if self._unsaved is not None and self._saving.due:
            self.save(self._unsaved)

    def _check_data(self) -> None:
        refuse_changes(
            self._saving.record,
            self._rows,
            "The saved states belong to the old data. Restore them with their modification times "
            f"and run again to resume from {self._generations.where}, or start again with another "
            "checkpoint.",
        )

    def save(self, state: FitState) -> bool:
        """Save the state now, and return whether that succeeded.

        If it fails, for example on a full disk, a warning is issued and the previous state stays
        valid.

        Raises
        ------
        DataChangedError
            If the data changed, so part of the state may come from other data.
        LockedError
            If another run has taken over the checkpoint.
        """
        if not state.in_memory:
            self._check_data()
        self._read, self._unsaved = state.n_passes, None
        return self._saving.save(state)

    def _locked(self) -> Generations:
        self._lock.renew()
        return self._generations


def _under(state: FitState, rules: Sequence[StopRules]) -> FitState:
    """The state under the stop rules of this run."""
    pairs = zip(state.trajectories, rules, strict=True)
    trajectories = tuple(trajectory.under(own) for trajectory, own in pairs)
    if all(a is b for a, b in zip(trajectories, state.trajectories, strict=True)):
        return state
    return replace(state, trajectories=trajectories, folded=None, labelled=False)


def _without_last_read(state: FitState) -> FitState:
    """Drop the partial statistics of the last read, because labelling uses a different pass."""
    return replace(state, folded=None) if state.best.evaluating else state


@contextmanager
def checkpointing(
    where: Any,
    rows: Rows,
    parameters: Mapping[str, Any],
    seconds: float | None = None,
    reads: int | None = None,
    *,
    kind: str = "fit",
) -> Iterator[Checkpoint]:
    """Yield a checkpoint that is locked until the block ends.

    Parameters
    ----------
    where : path, URL, or Zarr store
    kind, parameters, rows : as for `record_of_fit`
    seconds, reads : as for `Checkpoint`

    Raises
    ------
    CheckpointError
        If the path holds something else, or another run uses the checkpoint.
    OutputExistsError
        If the checkpoint lies in the data, whose fingerprint it would change, or the data lie in
        the checkpoint.
    """
    for array in rows.sources:
        refuse_overlap(where, array)
    record = record_of_fit(kind, parameters, rows)
    with locked(where) as (generations, lock):
        yield Checkpoint(generations, lock, rows, record, seconds, reads)
