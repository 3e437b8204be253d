"""Stores and files that are whole under their name or not there, and written by one run at a time.

A store grows in a hidden folder beside its name. Where something is replaced, both names are
exchanged in one step; on file systems that cannot, the old store is renamed before the new one, and
the next run puts it back after a kill in between.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import shutil
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamkm.checkpoint import FileLock
from streamkm.errors import CheckpointError, LockedError, OutputExistsError, OutputWarning
from streamkm.outputs.marks import kind_of
from streamkm.written import record

_ONCE = "once-"  # the tag of what no later run can resume
_HERE, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of renameat2(2)


def check_free(target: Path, overwrite: bool, kind: str) -> None:
    """Refuse to write where something is that may not be replaced.

    Raises
    ------
    OutputExistsError
        Unless nothing is there, or a store of the same kind that may be overwritten.
    """
    if not target.exists():
        return
    if not overwrite:
        raise OutputExistsError(
            f"{target} exists; name another output, or overwrite it (--overwrite, overwrite=True)."
        )
    there = kind_of(target)
    if not there:
        raise OutputExistsError(
            f"{target} was not written by streamkm, so it is never overwritten."
        )
    if there != kind:
        raise OutputExistsError(
            f"{target} is a {there}, which a {kind} does not replace; name another output, or "
            "remove it first."
        )


@contextmanager
def whole(target: Path, kind: str, overwrite: bool, mark: str = "") -> Iterator[Path]:
    """A sibling to write to, which takes the target's name only when the block succeeds.

    What is written under a mark is left where it is when the block fails, and found there by the
    next run that writes under the same mark.

    Parameters
    ----------
    target : Path
    kind : the `kind` attribute of what is written; no other kind is replaced
    overwrite : whether one of that kind may be replaced
    mark : of a run that can be resumed, or empty

    Raises
    ------
    OutputExistsError
        When something has taken the name meanwhile and may not be replaced.
    """
    tag = mark[:8] or f"{_ONCE}{uuid.uuid4().hex[:8]}"
    partial = target.with_name(f".{target.name}.partial-{tag}")
    try:
        yield partial
        check_free(target, overwrite, kind)
        _put(partial, target, target.with_name(f".{target.name}.replaced-{tag}"))
        record(target)
    finally:
        if not mark and partial.exists():
            _remove(partial)
            # Tasks that an error or a signal left running may write there until their threads end.
            atexit.register(shutil.rmtree, partial, ignore_errors=True)


def _put(partial: Path, target: Path, replaced: Path) -> None:
    """Give what is whole its name; what had it before is removed."""
    if not target.exists():
        partial.rename(target)
        return
    _remove(replaced)  # of a run that was killed here
    partial.rename(replaced)  # under this name the next run removes whatever is there
    if not exchange(replaced, target):
        replaced.rename(partial)
        target.rename(replaced)
        try:
            partial.rename(target)
        except BaseException:
            replaced.rename(target)
            raise
    _remove(replaced)


def exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step; False where the system or file system cannot."""
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    paths = [os.fsencode(path) for path in (one, other)]
    return int(call(_HERE, paths[0], _HERE, paths[1], ctypes.c_uint(_EXCHANGE))) == 0


def recover(target: Path) -> None:
    """Put back, or remove, what a run that was killed while it replaced a store left behind."""
    left = _left(target)
    if not left:
        return
    try:
        lock = FileLock(target)
    except CheckpointError:  # the run still lives
        return
    try:
        for path in _left(target):
            if ".replaced-" in path.name and not target.exists():
                path.rename(target)
            else:
                _remove(path)
    finally:
        lock.release()


def _left(target: Path) -> list[Path]:
    """Old stores, the newest first, and new ones that nothing can resume."""
    if not target.parent.is_dir():
        return []
    starts = (f".{target.name}.replaced-", f".{target.name}.partial-{_ONCE}")
    found = [path for path in target.parent.iterdir() if path.name.startswith(starts)]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


@contextmanager
def alone(target: Path) -> Iterator[None]:
    """No other run writes there meanwhile.

    Raises
    ------
    OutputExistsError
        When one does.
    """
    try:
        lock: FileLock | None = FileLock(target)
    except LockedError:
        raise OutputExistsError(
            f"{target} is being written by another run: wait for it, or name another output."
        ) from None
    except CheckpointError:
        lock = None
        warnings.warn(
            f"{target} is on a file system without locks: let no other run write there meanwhile",
            OutputWarning,
            stacklevel=3,
        )
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """A sibling of the same ending to write to, which replaces the target when the block succeeds.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole_file(Path(folder, "a.txt")) as partial:
    ...         _ = partial.write_text("whole")
    ...     os.listdir(folder)
    ['a.txt']
    """
    partial = target.with_name(f".{target.stem}.{uuid.uuid4().hex[:8]}.partial{target.suffix}")
    try:
        yield partial
        partial.replace(target)
        record(target)
    finally:
        partial.unlink(missing_ok=True)


def _remove(folder: Path, patience: float = 5.0) -> None:
    """Remove a folder that tasks of a failed read may still be writing to."""
    end = time.monotonic() + patience
    while folder.exists() and time.monotonic() < end:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            time.sleep(0.02)
