"""A fit that outlives its process: its states in a checkpoint, and going on from there."""

from __future__ import annotations

import hashlib
import os
import time
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from streamkm.checkpoint import FileLock, Generations, LeaseLock, flatten, is_local, restore
from streamkm.engine import Folded
from streamkm.errors import CheckpointError, CheckpointWarning, DataChangedError
from streamkm.fitting.fit import FitState
from streamkm.fitting.kept import Kept
from streamkm.fitting.reads import Reads
from streamkm.fitting.stopping import StopRules
from streamkm.fitting.trajectory import Step, Trajectory
from streamkm.passes import Pass, Statistic
from streamkm.rows import BlockPlan, Room, Rows, difference, fingerprint
from streamkm.seeding import Rough, Seeding

SECONDS = 60.0  # between checkpoints, unless asked otherwise
# What a resumed fit may be asked differently.
_FREE = ("max_iter", "tol", "loss_tol", "distortion_tol", "time_limit", "memory_limit")
_ELSEWHERE = ("data",)  # of which the fingerprint tells more


@dataclass(frozen=True)
class Saved:
    """What a checkpoint holds.

    Parameters
    ----------
    state : FitState
    parameters : what the fit was asked for
    data : fingerprint of what it is of
    versions : of what its bits hang on
    identity : of the fit, the same in all its runs
    seconds : spent in earlier runs
    runs : how many there were
    """

    state: FitState
    parameters: dict[str, Any]
    data: dict[str, Any]
    versions: dict[str, str]
    identity: str
    seconds: float = 0.0
    runs: int = 1

    def resumed(self, rules: StopRules) -> FitState:
        """Its state under the rules of now."""
        told = tuple(t.under(rules) for t in self.state.trajectories)
        if all(a is b for a, b in zip(told, self.state.trajectories, strict=True)):
            return self.state
        return replace(self.state, trajectories=told, folded=None, labelled=False)


class Checkpoint:
    """The states of one fit in a Zarr group; made by `checkpointing`.

    Parameters
    ----------
    generations : Generations
    rows : Rows, whose fingerprint every state carries
    parameters, versions : as of `Saved`
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
        self._saved = Saved(
            None,  # type: ignore[arg-type]
            plain(parameters),
            fingerprint(rows),
            dict(versions),
            uuid.uuid4().hex,
        )
        self.n_saved = 0

    @property
    def identity(self) -> str:
        return self._saved.identity

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
        mine = self._saved
        found = difference(saved.data, mine.data)
        if found:
            raise DataChangedError(
                f"the checkpoint {self._generations.where} is of other data: {found}. Restore "
                "those, with their times, or name another checkpoint."
            )
        free = (*_FREE, *_ELSEWHERE)
        before = {k: v for k, v in saved.parameters.items() if k not in free}
        now = {k: v for k, v in mine.parameters.items() if k not in free}
        found = difference(before, now)
        if found:
            raise CheckpointError(
                f"the fit in {self._generations.where} was asked for something else: {found}. Ask "
                f"for the same ({', '.join(_FREE)} may differ), or name another checkpoint."
            )
        found = difference(saved.versions, mine.versions)
        if found:
            warnings.warn(
                f"the checkpoint was made by other versions ({found}); the fit goes on, but its "
                "bits may differ from those of an undisturbed one",
                CheckpointWarning,
                stacklevel=3,
            )
        self._saved = replace(mine, identity=saved.identity, seconds=saved.seconds)
        self._saved = replace(self._saved, runs=saved.runs + 1)
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
        found = difference(self._saved.data, now)
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
        seconds = self._saved.seconds + time.monotonic() - self._began
        arrays: list[Any] = []
        saved = replace(self._saved, state=state, seconds=seconds)
        parts = {name: getattr(saved, name) for name in ("parameters", "data", "versions")}
        parts |= {"identity": saved.identity, "seconds": seconds, "runs": saved.runs}
        tree = {"state": flatten(state, arrays), **parts}
        try:
            self._lock.renew()
            self._generations.save(tree, arrays)
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
        self.n_saved += 1
        return True


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
    """
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


def load(generations: Generations) -> Saved | None:
    """The last whole state of a checkpoint, or None where there is none yet.

    Raises
    ------
    CheckpointError
        When none is whole, or they were made by a version that this one cannot read.
    """
    found = generations.load()
    if found is None:
        return None
    tree, arrays = found
    try:
        state = restore(tree["state"], arrays, _known())
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"{generations.where} was made by streamkm {tree['versions'].get('streamkm')}, whose "
            f"states this version does not know ({error}). Go on with that one, or begin anew."
        ) from error
    return Saved(**{**tree, "state": state})


def _known() -> dict[str, type[Any]]:
    """Every class that a state may be made of."""
    kinds: list[type[Any]] = [FitState, Trajectory, Step, StopRules, Reads, Room, BlockPlan]
    kinds += [Kept, Folded, Rough]
    for base in (Statistic, Seeding, Pass):
        kinds += _below(base)
    return {kind.__name__: kind for kind in kinds}


def _below(base: type[Any]) -> list[type[Any]]:
    own = base.__subclasses__()
    return own + [kind for child in own for kind in _below(child)]


def plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as JSON; arrays by their digest."""
    return {name: _plain(value) for name, value in parameters.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()[:16]
        return f"array of shape {value.shape}, {digest}"
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (np.integer, np.floating, np.bool_)):
        return value.item()
    return os.fspath(value) if isinstance(value, os.PathLike) else value
