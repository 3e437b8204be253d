"""Write labels to a store atomically, and resume after an interruption.

Labels are written to a hidden folder beside their target. A second hidden folder, the progress,
holds a record of the run and the partial statistics of the read. The next run of the same model
over the same data reads only the rest; any other run removes both folders and starts again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic

import numpy as np

from streamkm.checkpoint import Record, flatten
from streamkm.engine import Folded, same_processes, wave_size, writing
from streamkm.outputs import (
    LABELS,
    LabelFormat,
    PlainLabels,
    marks_of,
    whole,
    whole_file_of_store,
)
from streamkm.outputs.data_arrays import flags
from streamkm.outputs.label_store import LabelGrid, LabelStore
from streamkm.outputs.whole_labels import WholeLabels
from streamkm.passes import PerRow
from streamkm.passes.base import S
from streamkm.rows import (
    FileArray,
    Rows,
    StoredRows,
    Variables,
    fingerprint,
    is_a,
    is_conclusive,
    may_lack,
)
from streamkm.rows.coordinates import arrays_beside
from streamkm.rows.dimensions import dimension_names
from streamkm.runs.output_progress import OutputProgress
from streamkm.versions import versions

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
    file : LabelFormat or None
        Format of a file at the target; the store is then temporary. None for a store.
    """

    target: Path
    overwrite: bool
    store: LabelStore
    question: PerRow[S]
    rows: Rows
    message: Callable[[str], None] | None = None
    file: LabelFormat | None = None

    @cached_property
    def record(self) -> Record | None:
        """Record that a later run is compared with, or None if the data have no fingerprint.

        Arrays in memory, Dask arrays, and stores that cannot be listed have none.
        """
        rows = self.rows
        asked = {
            "labels": digest_of(self.question.comparable),
            "statistic": type(self.question.identity()).__name__,
            "scaling": digest_of(rows.layout.scaling),
            "blocks": digest_of(rows.plan.edges),
            "dimensions": list(self.store.dimensions or ()),
            "store": type(self.store).__name__,
        }
        return record_of("labels", rows, asked)

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
        """Label all rows; the store or file is published when the block ends without an error.

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
        progress = OutputProgress(self.target, self.rows, self.record, seconds)
        n_blocks = progress.folded.n_blocks
        if n_blocks and self.message is not None:
            self.message(
                f"resuming the labels of {self.target}, block {n_blocks:,} of "
                f"{self.rows.n_blocks:,}"
            )
        marks = self._marks | ({"fit": fit} if fit else {})
        with self._published(progress.identity, marks) as partial, same_processes():
            try:
                question = self.question
                grid = LabelGrid(self.rows.plan, question.dtype, int(question.fill), question.width)
                array = self.store.create(partial, grid, marks)
                whole = self._whole(partial, array, marks)
                read = writing(self.question, self.rows, array, wave_size(), progress.folded)
                for folded in read:
                    progress.advance(folded)
                    if watch is not None and folded.n_blocks < self.rows.n_blocks:
                        watch(folded)
                progress.save()
                if self.file is not None:
                    self.file.write(whole, partial / self.target.name)
                yield progress.folded.total()
            except BaseException as error:
                progress.stop(partial, error)
                raise
        progress.remove()

    def open(self) -> Any:
        """Open the labels that were published."""
        return self.store.finish(self.target) if self.file is None else self.file.open(self.target)

    def _published(self, identity: str, marks: dict[str, Any]) -> AbstractContextManager[Path]:
        if self.file is None:
            return whole(self.target, LABELS, self.overwrite, identity)
        noted = marks if "fit" in marks else None
        return whole_file_of_store(self.target, self.overwrite, identity, noted)

    def _whole(self, partial: Path, array: Any, marks: dict[str, Any]) -> WholeLabels:
        """Describe the labels in a folder that will hold all of them.

        Raises
        ------
        DataError
            If the format of the file cannot hold them.
        """
        attributes = {name: value for name, value in array.attrs.items() if name not in marks}
        beside = {} if self.file is None else self.store.beside(partial)
        found = WholeLabels.of(array, attributes, beside)
        if self.file is not None:
            self.file.refuse(found.outline)
        return found


def plain_labels(
    rows: Rows, dtype: np.dtype[Any], names: Sequence[str] | None = None
) -> PlainLabels:
    """The layout of labels in a single array, with the row dimensions of the stored arrays.

    Parameters
    ----------
    rows : Rows
    dtype : dtype of the labels
    names : names of the clusters, for a file; it also has the coordinates of a Zarr array
    """
    stored, known = rows.array, None
    if isinstance(stored, Variables):
        stored, known = stored.widest, stored.dims if any(stored.dims) else None
    elif isinstance(stored, FileArray) or is_a(stored, "zarr.Array"):
        known = dimension_names(stored)
    dimensions = tuple(known[axis] for axis in rows.layout.row_axes) if known else None
    attributes = flags(dtype, names, may_lack(rows))
    if names is None:
        return PlainLabels(dimensions, attributes)
    beside = arrays_beside(stored, dimensions, rows.layout.row_shape) if dimensions else {}
    grid = stored.attrs.get("grid_mapping") if beside else None
    others = [name for name in beside if name not in (*(dimensions or ()), grid)]
    attributes |= {"grid_mapping": grid} if grid in beside else {}
    attributes |= {"coordinates": " ".join(others)} if others else {}
    return PlainLabels(dimensions, attributes, beside)


def record_of(kind: str, rows: Rows, asked: Mapping[str, Any]) -> Record | None:
    """Return the record of a run, or None if the data have no fingerprint, as arrays in memory."""
    if not isinstance(rows, StoredRows) or rows.in_memory:
        return None
    data = fingerprint(rows)
    return Record(kind, asked, data, versions=versions()) if is_conclusive(data) else None


def digest_of(value: Any) -> str:
    """SHA-256 of a value that a checkpoint can hold."""
    arrays: list[Any] = []
    digest = hashlib.sha256(json.dumps(flatten(value, arrays), sort_keys=True).encode())
    for array in arrays:
        digest.update(f"{array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
