"""A fit that outlives its process: when its states are saved, and going on from them."""

from __future__ import annotations

import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from streamkm.checkpoint import FileLock, Generations, LeaseLock, is_local
from streamkm.errors import CheckpointError, CheckpointWarning, DataChangedError
from streamkm.fitting.saved import Facts, Saved, load, save
from streamkm.fitting.scaling import with_scaling
from streamkm.fitting.state import FitState
from streamkm.fitting.stopping import StopRules
from streamkm.outputs import plain, refuse_overlap
from streamkm.rows import Budget, Rows, difference, fingerprint, in_plan

SECONDS = 60.0  # between checkpoints, unless asked otherwise
# What a resumed fit may be asked differently.
_FREE = ("max_iter", "tol", "loss_tol", "distortion_tol", "time_limit", "memory_limit")
_ELSEWHERE = ("data",)  # of which the fingerprint tells more


class Checkpoint:
    """The states of one fit in a Zarr group; made by `checkpointing`.

    Parameters
    ----------
    generations : Generations
    rows : Rows, whose fingerprint every state carries
    parameters, versions : as of `Facts`
    seconds : between states that are saved; of those in between nothing is kept
    reads : reads between them, or None
    """

    def __init__(
        self,
        generations: Generations,
        lock: FileLock | LeaseLock,
        rows: Rows,
        parameters: Mapping[str, Any],
        versions: Mapping[str, str],
        seconds: float = SECONDS,
        reads: int | None = None,
    ) -> None:
        self._generations, self._lock, self._rows = generations, lock, rows
        self._seconds, self._reads = seconds, reads
        self._began = self._last = time.monotonic()
        self._read = -1
        identity = uuid.uuid4().hex
        self._facts = Facts(plain(parameters), fingerprint(rows), dict(versions), identity)

    @property
    def identity(self) -> str:
        return self._facts.identity

    def begin(
        self, begin: Callable[[], FitState], rules: StopRules, budget: Budget
    ) -> tuple[FitState, Rows, bool]:
        """Where the fit goes on, its rows as that sees them, and whether it is a new one.

        Parameters
        ----------
        begin : gives the first state; not called when there is a later one
        rules : of now
        budget : Budget of this machine

        Raises
        ------
        CheckpointError, DataChangedError
            As `resume` does.
        MemoryLimitError
            When the budget does not allow the blocks of the plan.
        """
        saved = self.resume()
        if saved is None:
            state = begin()
            self.save(state)
            return state, with_scaling(self._rows, state.scaling), True
        told = saved.resumed(rules)
        return told, with_scaling(in_plan(self._rows, told.plan, budget), told.scaling), False

    def resume(self) -> Saved | None:
        """The last state, or None where this fit is the first to use the checkpoint.

        Raises
        ------
        CheckpointError
            When it is of other parameters; the message names the first that differs.
        DataChangedError
            When it is of other data.
        """
        saved = load(self._generations)
        if saved is None:
            return None
        then, now = saved.facts, self._facts
        _refuse_other(then.data, now.data, self._generations.where)
        free = (*_FREE, *_ELSEWHERE)
        before, asked = (
            {name: value for name, value in facts.parameters.items() if name not in free}
            for facts in (then, now)
        )
        found = difference(before, asked)
        if found:
            raise CheckpointError(
                f"the fit in {self._generations.where} was asked for something else: {found}. Ask "
                f"for the same ({', '.join(_FREE)} may differ), or name another checkpoint."
            )
        found = difference(then.versions, now.versions)
        if found:
            warnings.warn(
                f"the checkpoint was made by other versions ({found}); the fit goes on, but its "
                "bits may differ from those of an undisturbed one",
                CheckpointWarning,
                stacklevel=3,
            )
        self._facts = replace(now, identity=then.identity, seconds=then.seconds, runs=then.runs + 1)
        self._read = saved.state.n_passes
        return saved

    def see(self, state: FitState) -> None:
        """Save the state where it is time to; between two reads, look whether the data changed.

        Raises
        ------
        DataChangedError
            When the store's chunks are no longer those that the fit began with.
        """
        due = time.monotonic() - self._last >= self._seconds
        due |= self._reads is not None and state.n_passes - self._read >= self._reads
        if due or state.done:
            self.save(state)
        elif state.folded is None and not state.in_memory:
            self._check_data()

    def _check_data(self) -> None:
        try:
            now = fingerprint(self._rows)
        except Exception as error:  # as above: that they cannot be listed now says nothing of them
            warnings.warn(
                f"the data could not be listed ({error}), so a change of them would go unseen",
                CheckpointWarning,
                stacklevel=3,
            )
            return
        found = difference(self._facts.data, now)
        if found:
            raise DataChangedError(
                f"the data changed while they were read: {found}. The states so far are of the old "
                "data: restore those, with their times, and run again to go on from "
                f"{self._generations.where}; or begin anew with another checkpoint."
            )

    def save(self, state: FitState) -> bool:
        """Save the state now; whether that was possible.

        Where it was not, as on a full disk, there is a warning, and the one before stays good.

        Raises
        ------
        DataChangedError
            When the state may be half of other data.
        LockedError
            When another run has taken over the checkpoint.
        """
        if not state.in_memory:
            self._check_data()
        seconds = self._facts.seconds + time.monotonic() - self._began
        try:
            self._lock.renew()
            save(self._generations, Saved(state, replace(self._facts, seconds=seconds)))
        except CheckpointError:
            raise
        except Exception as error:  # object stores have errors of their own
            warnings.warn(
                f"no checkpoint could be written to {self._generations.where} ({error}); the fit "
                "goes on, and the last one stays good",
                CheckpointWarning,
                stacklevel=2,
            )
            return False
        finally:
            self._last, self._read = time.monotonic(), state.n_passes
        return True


def same_data(where: Any, rows: Rows) -> None:
    """Refuse rows that a checkpoint is not of.

    Raises
    ------
    DataChangedError
        Naming what differs.
    """
    saved = load(Generations(where, "r"))
    if saved is not None:
        _refuse_other(saved.facts.data, fingerprint(rows), where)


def _refuse_other(then: dict[str, Any], now: dict[str, Any], where: Any) -> None:
    found = difference(then, now)
    if found:
        raise DataChangedError(
            f"the checkpoint {where} is of other data: {found}. Restore those, with their times, "
            "or name another checkpoint."
        )


@contextmanager
def checkpointing(
    where: Any,
    rows: Rows,
    parameters: Mapping[str, Any],
    versions: Mapping[str, str],
    seconds: float = SECONDS,
    reads: int | None = None,
) -> Iterator[Checkpoint]:
    """A checkpoint that is this run's alone until the block ends.

    Parameters
    ----------
    where : path, URL, or Zarr store
    rows, parameters, versions, seconds, reads : as for `Checkpoint`

    Raises
    ------
    CheckpointError
        When there is something else, or another run uses it.
    OutputExistsError
        When it lies in the data, whose fingerprint it would change, or the data lie in it.
    """
    for array in (rows.array, rows.weights, rows.mask):
        refuse_overlap(where, array)
    lock: FileLock | LeaseLock
    if is_local(where):
        folder = Path(where).resolve()
        if not folder.parent.is_dir():
            raise CheckpointError(f"{folder.parent} is not a folder; make it first.")
        lock = FileLock(folder)
    try:
        generations = Generations(where)
        if not is_local(where):
            lock = LeaseLock(generations.group)
    except BaseException:
        if is_local(where):
            lock.release()
        raise
    try:
        yield Checkpoint(generations, lock, rows, parameters, versions, seconds, reads)
    finally:
        lock.release()
