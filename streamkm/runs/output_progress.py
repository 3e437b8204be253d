"""Progress of an output, from which a later run resumes."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamkm.checkpoint import Periodic, Record, difference, load_progress
from streamkm.checkpointable import Checkpointable
from streamkm.engine import Folded
from streamkm.errors import DataChangedError, OutputWarning, RunAgain
from streamkm.files.durable import sync_tree
from streamkm.fitting import refuse_changes
from streamkm.outputs import LABELS, discard, partial_of, partials_of, progress_of
from streamkm.rows import Rows
from streamkm.warn import warn

_CLOCKS = 60.0  # seconds by which the clock of a file server may differ


@dataclass(frozen=True)
class Stages(Checkpointable):
    """A later stage of a run.

    Parameters
    ----------
    done : statistics of the finished stages
    folded : the part of the running stage that is folded
    """

    done: tuple[Any, ...]
    folded: Folded

    @property
    def n_blocks(self) -> int:
        return self.folded.n_blocks


@dataclass(frozen=True)
class Written:
    """What a run writes, in the words of its messages.

    Parameters
    ----------
    kind : the `kind` attribute of the unfinished store
    noun : such as 'labels'
    work : such as 'labelling'
    """

    kind: str = LABELS
    noun: str = "labels"
    work: str = "labelling"


class OutputProgress:
    """Partial statistics of the run that writes a target, saved beside it.

    Parameters
    ----------
    target : Path
    rows : Rows, which are compared with the record before every save
    record : Record of this run, or None if nothing is saved
    seconds : minimum time between two saves; None means one minute
    written : Written
    """

    def __init__(
        self,
        target: Path,
        rows: Rows,
        record: Record | None,
        seconds: float | None,
        written: Written | None = None,
    ) -> None:
        self._folder, self._rows, self.folded = progress_of(target), rows, Folded()
        self._target, self._synced = target, 0.0  # the time up to which all files are synced
        self._written = written or Written()
        self.done: tuple[Any, ...] = ()
        self._saving: Periodic | None = None
        if record is not None:
            self._saving = Periodic.in_folder(self._folder, record, seconds)
        self._resume(target)
        if not self._begun:
            self.save()  # so that the next run finds the partial store and can remove it

    @property
    def identity(self) -> str:
        """Mark of the partial store; empty if no later run may use it."""
        return "" if self._saving is None else self._saving.record.identity

    @property
    def _begun(self) -> bool:
        return bool(self.done or self.folded.n_blocks)

    def advance(self, folded: Folded) -> None:
        """Take the partial statistics after a wave, and save them if that is due."""
        self.folded = folded
        if self._saving is not None and self._saving.due:
            self.save()

    def next_stage(self, statistic: Any) -> None:
        """Finish a stage with its statistic, which is then the last of `done`."""
        self.done, self.folded = (*self.done, statistic), Folded()
        self.save()

    def save(self) -> None:
        """Save the partial statistics; warn if that fails.

        Raises
        ------
        DataChangedError
            If the data have changed since the run began. Its output would mix old and new data.
        """
        if self._saving is None:
            return
        remedy = f"Run again; the {self._written.work} then uses the data as they are now."
        refuse_changes(self._saving.record, self._rows, remedy)
        began = time.time()
        sync_tree(partial_of(self._target, self.identity), self._synced)  # the state counts it
        self._synced = began - _CLOCKS
        self._saving.save(Stages(self.done, self.folded) if self.done else self.folded)

    def stop(self, partial: Path, error: BaseException) -> None:
        """Keep what is written for the next run, or remove it if no wave is finished."""
        noun = self._written.noun
        if self._saving is None or not self._begun:
            self.remove()
            discard(partial)
            if isinstance(error, KeyboardInterrupt):
                warn(
                    f"no {noun} are kept, because the first wave of blocks was not finished",
                    OutputWarning,
                )
            return
        with suppress(DataChangedError):  # the last save, of the old data, is kept
            self.save()
        if not isinstance(error, (RunAgain, DataChangedError)):  # their messages name the output
            warn(
                f"the {noun} so far are in {partial}; run the {self._written.work} again to "
                "resume, or remove it",
                OutputWarning,
            )

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _resume(self, target: Path) -> None:
        """Take over what a stopped run wrote, or remove it if its options or data differ."""
        saved = load_progress(self._folder)
        if saved is None:
            for partial in partials_of(target, self._written.kind):
                discard(partial)
            return
        partial = partial_of(target, saved.record.identity)
        reason = "its data cannot be compared with the present data"
        if self._saving is not None:
            found = difference(saved.record, self._saving.record)
            if found is None and partial.is_dir():
                self._saving.resume(saved.record)
                self.folded = saved.state
                if isinstance(saved.state, Stages):
                    self.done, self.folded = saved.state.done, saved.state.folded
                return
            reason = found.sentence if found else ""
        if partial.is_dir() and (saved.state.n_blocks or isinstance(saved.state, Stages)):
            warn(
                f"the unfinished {self._written.noun} for {target} cannot be used: {reason}. "
                f"{self._written.work.capitalize()} starts again",
                OutputWarning,
            )
        self.remove()
        discard(partial)
