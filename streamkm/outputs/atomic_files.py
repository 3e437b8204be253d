"""Atomic files: complete or absent under their names."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streamkm.errors import OutputExistsError
from streamkm.files.durable import sync, sync_tree
from streamkm.outputs.atomic import discard, partial_of
from streamkm.outputs.marks import note_of, write_note
from streamkm.written import record


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Yield a file to write to, which replaces the target when the block succeeds.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole_file(Path(folder, "a.txt")) as partial:
    ...         _ = partial.write_text("whole")
    ...     [path.name for path in Path(folder).iterdir()]
    ['a.txt']
    """
    partial = target.with_name(f".{target.stem}.{uuid.uuid4().hex[:8]}.partial{target.suffix}")
    try:
        yield partial
        sync_tree(partial)
        partial.replace(target)
        sync(target.parent)
        record(target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_file_of_store(
    target: Path, overwrite: bool, mark: str = "", marks: Mapping[str, Any] | None = None
) -> Iterator[Path]:
    """Yield the folder of a temporary store, in which the block leaves a file of the target's name.

    The file is renamed to the target when the block succeeds, and the store is removed.

    Parameters
    ----------
    target, mark : as for `whole`
    overwrite : whether a file at the target may be replaced
    marks : marks of the file, which `marks_of` returns until it is changed; None for no marks

    Raises
    ------
    OutputExistsError
        If the target has been created meanwhile and may not be replaced.
    """
    partial = partial_of(target, mark)
    file, note = partial / target.name, note_of(target)
    own_note = partial / note.name
    for left in (file, own_note):
        left.unlink(missing_ok=True)  # by a run that was killed here
    try:
        yield partial
        if target.exists() and not overwrite:
            raise OutputExistsError(f"{target} was created meanwhile; name another file.")
        sync_tree(file)
        if marks:
            write_note(own_note, file, marks)
            sync_tree(own_note)
            own_note.replace(note)
        file.replace(target)
        sync(target.parent)
        if not marks:
            note.unlink(missing_ok=True)
        record(target)
        useless = partial_of(target, "")  # no run resumes a store that is deleted in part
        partial.rename(useless)
        discard(useless)
    finally:
        file.unlink(missing_ok=True)
        if not mark and partial.exists():
            discard(partial)
