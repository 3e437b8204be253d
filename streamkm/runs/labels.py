"""Write labels to a store atomically, and resume after an interruption.

Labels are written to a hidden folder beside their target. A second hidden folder, the progress,
holds a record of the run and the partial statistics of the read. The next run of the same model
over the same data reads only the rest; any other run removes both folders and starts again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic

import numpy as np

from streamkm.checkpoint import Periodic, Record, difference, flatten, load_progress
from streamkm.engine import Folded, same_processes, wave_size, writing
from streamkm.errors import DataChangedError, OutputWarning, RunAgain
from streamkm.fitting import refuse_changes
from streamkm.outputs import (
    LABELS,
    PlainLabels,
    discard,
    marks_of,
    partial_of,
    partials_of,
    progress_of,
    whole,
)
from streamkm.outputs.label_store import LabelGrid, LabelStore
from streamkm.passes import PerRow, no_label
from streamkm.passes.base import S
from streamkm.rows import Rows, StoredRows, fingerprint, is_a, is_conclusive, may_lack
from streamkm.rows.paths import dimension_names
from streamkm.versions import versions
from streamkm.warn import warn

WaveCallback = Callable[[Folded], Any]


@dataclass(frozen=True)
class LabelRun(Generic[S]):
    """The labels of all rows, written into a store.

    Parameters
    ----------
    target : Path
        Path of the store, checked by `Store.check` and locked by `alone`.
    overwrite : bool
        Whether labels at the target may be replaced.
    store : LabelStore
        Layout of the store.
    question : PerRow
        The pass that labels rows.
    rows : Rows
    message : callable or None
        Called with a line of text if the run resumes.
    """

    target: Path
    overwrite: bool
    store: LabelStore
    question: PerRow[S]
    rows: Rows
    message: Callable[[str], None] | None = None

    @cached_property
    def record(self) -> Record | None:
        """Record that a later run is compared with, or None if the data have no fingerprint.

        Arrays in memory, Dask arrays, and stores that cannot be listed have none.
        """
        rows = self.rows
        if not isinstance(rows, StoredRows) or rows.in_memory:
            return None
        data = fingerprint(rows)
        if not is_conclusive(data):
            return None
        asked = {
            "labels": _digest(self.question.comparable),
            "statistic": type(self.question.identity()).__name__,
            "scaling": _digest(rows.layout.scaling),
            "blocks": _digest(rows.plan.edges),
            "dimensions": list(self.store.dimensions or ()),
            "store": type(self.store).__name__,
        }
        return Record("labels", asked, data, versions=versions())

    @property
    def is_published(self) -> bool:
        """Whether the target already holds exactly these labels."""
        digest = self._marks.get("digest")
        return digest is not None and marks_of(self.target).get("digest") == digest

    @property
    def _marks(self) -> dict[str, Any]:
        marks = {"kind": LABELS}
        if self.record is None:
            return marks
        facts = [self.record.asked, self.record.data, self.record.versions]
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        return marks | {"digest": digest}

    @contextmanager
    def write(
        self, watch: WaveCallback | None = None, seconds: float | None = None, fit: str = ""
    ) -> Iterator[S]:
        """Label all rows; the store is published when the block ends without an error.

        A stopped run keeps the labels of its finished waves, and the next run of the same model
        over the same data resumes after them. A run without a finished wave leaves no files.

        Parameters
        ----------
        watch : callable or None
            Called with the partial statistics after every wave except the last.
        seconds : float or None
            Minimum time between two saves of the progress; None means one minute.
        fit : str
            Identity of the fit of these labels, if it has a checkpoint.

        Yields
        ------
        Statistic
            The statistic of all rows. The bits do not depend on interruptions.

        Raises
        ------
        DataChangedError
            If the data change while they are read. The labels are not published.
        DataError
            If blocks of uneven sizes would need very many chunks.
        OutputExistsError
            If the target was created meanwhile and may not be replaced.

        Warns
        -----
        OutputWarning
            If labels of a stopped run are kept for the next run, or cannot be used.
        """
        progress = _Progress(self.target, self.rows, self.record, seconds)
        n_blocks = progress.folded.n_blocks
        if n_blocks and self.message is not None:
            self.message(
                f"resuming the labels of {self.target}, block {n_blocks:,} of "
                f"{self.rows.n_blocks:,}"
            )
        target = whole(self.target, LABELS, self.overwrite, progress.identity)
        with target as partial, same_processes():
            try:
                grid = LabelGrid(self.rows.plan, self.question.dtype, int(self.question.fill))
                marks = self._marks | ({"fit": fit} if fit else {})
                array = self.store.create(partial, grid, marks)
                read = writing(self.question, self.rows, array, wave_size(), progress.folded)
                for folded in read:
                    progress.advance(folded)
                    if watch is not None and folded.n_blocks < self.rows.n_blocks:
                        watch(folded)
                progress.save()
                yield progress.folded.total()
            except BaseException as error:
                progress.stop(partial, error)
                raise
        progress.remove()


def plain_labels(rows: Rows, dtype: np.dtype[Any]) -> PlainLabels:
    """The layout of labels in a single array, with the row dimensions of a Zarr array."""
    names = dimension_names(rows.array) if is_a(rows.array, "zarr.Array") else None
    dimensions = tuple(names[axis] for axis in rows.layout.row_axes) if names else None
    return PlainLabels(dimensions, {"_FillValue": no_label(dtype)} if may_lack(rows) else {})


class _Progress:
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


def _digest(value: Any) -> str:
    """SHA-256 of a value that a checkpoint can hold."""
    arrays: list[Any] = []
    digest = hashlib.sha256(json.dumps(flatten(value, arrays), sort_keys=True).encode())
    for array in arrays:
        digest.update(f"{array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
