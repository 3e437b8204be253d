"""Progress of the labels of a target, from which a later run resumes."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from streamkm.checkpoint import Periodic, Record, difference, load_progress
from streamkm.engine import Folded
from streamkm.errors import DataChangedError, OutputWarning, RunAgain
from streamkm.fitting import refuse_changes
from streamkm.outputs import LABELS, discard, partial_of, partials_of, progress_of
from streamkm.rows import Rows
from streamkm.warn import warn


class LabelProgress:
    """Partial statistics of the labels of a target, saved beside it.

    Parameters
    ----------
    target : Path
    rows : Rows, which are compared with the record before every save
    record : Record of this run, or None if nothing is saved
    seconds : minimum time between two saves; None means one minute
    """

    def __init__(
        self, target: Path, rows: Rows, record: Record | None, seconds: float | None
    ) -> None:
        self._folder, self._rows, self.folded = progress_of(target), rows, Folded()
        self._saving: Periodic | None = None
        if record is not None:
            self._saving = Periodic.in_folder(self._folder, record, seconds)
        self._resume(target)
        if not self.folded.n_blocks:
            self.save()  # so that the next run finds the partial store and can remove it

    @property
    def identity(self) -> str:
        """Mark of the partial store; empty if no later run may use it."""
        return "" if self._saving is None else self._saving.record.identity

    def advance(self, folded: Folded) -> None:
        """Take the partial statistics after a wave, and save them if that is due."""
        self.folded = folded
        if self._saving is not None and self._saving.due:
            self.save()

    def save(self) -> None:
        """Save the partial statistics; warn if that fails.

        Raises
        ------
        DataChangedError
            If the data have changed, so some of the labels may be of other data.
        """
        if self._saving is None:
            return
        remedy = "Run again to label the data as they are now."
        refuse_changes(self._saving.record, self._rows, remedy)
        self._saving.save(self.folded)

    def stop(self, partial: Path, error: BaseException) -> None:
        """Keep the labels so far for the next run, or remove them if no wave is finished."""
        if self._saving is None or not self.folded.n_blocks:
            self.remove()
            discard(partial)
            if isinstance(error, KeyboardInterrupt):
                warn(
                    "no labels are kept, because the first wave of blocks was not finished",
                    OutputWarning,
                )
            return
        with suppress(DataChangedError):  # the last save, of the old data, is kept
            self.save()
        if not isinstance(error, (RunAgain, DataChangedError)):  # their messages name the labels
            warn(
                f"the labels so far are in {partial}; run the labelling again to resume, or remove "
                "it",
                OutputWarning,
            )

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _resume(self, target: Path) -> None:
        """Take over the labels of a stopped run, or remove those of another model or other data."""
        saved = load_progress(self._folder)
        if saved is None:
            for partial in partials_of(target, LABELS):
                discard(partial)
            return
        partial = partial_of(target, saved.record.identity)
        reason = "its data cannot be compared with the present data"
        if self._saving is not None:
            found = difference(saved.record, self._saving.record)
            if found is None and partial.is_dir():
                self._saving.resume(saved.record)
                self.folded = saved.state
                return
            reason = found.sentence if found else ""
        if partial.is_dir() and saved.state.n_blocks:
            warn(
                f"the unfinished labels for {target} cannot be used: {reason}. Labelling starts "
                "again",
                OutputWarning,
            )
        self.remove()
        discard(partial)
