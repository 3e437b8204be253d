"""Atomic outputs: complete or absent under their names, and written by one run at a time.

A store is written in a hidden folder beside its name. When it replaces another store, the two names
are exchanged atomically. On file systems without this operation, the old store is renamed first,
and the next run restores it after a kill in between.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamkm.checkpoint import FileLock
from streamkm.errors import CheckpointError, LockedError, OutputExistsError, OutputWarning
from streamkm.files.durable import sync, sync_tree
from streamkm.outputs.marks import kind_of
from streamkm.warn import warn
from streamkm.written import record

_ONCE = "once-"  # tag of outputs that cannot be resumed
_HERE, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of renameat2(2)


def check_free(target: Path, overwrite: bool, kind: str) -> None:
    """Raise an error if the target exists and may not be replaced.

    Raises
    ------
    OutputExistsError
        Unless the target does not exist, or is a store of the same kind that may be overwritten.
    """
    if not target.exists():
        return
    if not overwrite:
        raise OutputExistsError(
            f"{target} exists; name another output, or",
            python="overwrite it with overwrite=True.",
            command="replace it with --overwrite.",
        )
    there = kind_of(target)
    if not there:
        raise OutputExistsError(
            f"{target} was not written by streamkm, so it is never overwritten."
        )
    if there != kind:
        raise OutputExistsError(
            f"{target} is a {there} and is not replaced by a {kind}; name another output, or "
            "remove it first."
        )


@contextmanager
def whole(target: Path, kind: str, overwrite: bool, mark: str = "") -> Iterator[Path]:
    """Yield a path to write to, which is renamed to the target when the block succeeds.

    Outputs with a mark stay in place if the block fails, and the next run with the same mark finds
    them there.

    Parameters
    ----------
    target : Path
    kind : the `kind` attribute of the output; no other kind is replaced
    overwrite : whether an output of that kind may be replaced
    mark : mark of a run that can be resumed, or empty

    Raises
    ------
    OutputExistsError
        If the target has been created meanwhile and may not be replaced.
    """
    tag = _tag(mark)
    partial = _hidden(target, "partial", tag)
    try:
        yield partial
        check_free(target, overwrite, kind)
        _put(partial, target, _hidden(target, "replaced", tag))
        record(target)
    finally:
        if not mark and partial.exists():
            discard(partial)


def partial_of(target: Path, mark: str) -> Path:
    """The folder of the unfinished store of a run with a mark; without a mark, a new name."""
    return _hidden(target, "partial", _tag(mark))


def _tag(mark: str) -> str:
    return mark[:8] or f"{_ONCE}{uuid.uuid4().hex[:8]}"


def partials_of(target: Path, kind: str) -> list[Path]:
    """The folders of all unfinished stores of a kind."""
    start = f".{target.name}.partial-"
    found = [path for path in target.parent.iterdir() if path.name.startswith(start)]
    return [path for path in found if kind_of(path) == kind]


def progress_of(target: Path) -> Path:
    """The folder with the progress of a partial store of labels."""
    return target.with_name(f".{target.name}.progress")


def _hidden(target: Path, what: str, tag: str) -> Path:
    return target.with_name(f".{target.name}.{what}-{tag}")


def discard(partial: Path) -> None:
    """Remove the folder of a run that failed, now and when the process ends.

    Tasks that an error or a signal left running may write to it until their threads end.
    """
    _remove(partial)
    atexit.register(shutil.rmtree, partial, ignore_errors=True)


def _put(partial: Path, target: Path, replaced: Path) -> None:
    """Rename a complete output to its target, and delete what it replaces.

    The bytes are on the disk before the name is, and the name before anything is deleted.
    """
    sync_tree(partial)
    if not target.exists():
        partial.rename(target)
        sync(target.parent)
        return
    _remove(replaced)  # left by a run that was killed here
    partial.rename(replaced)  # the next run deletes anything under this name
    if not exchange(replaced, target):
        replaced.rename(partial)
        target.rename(replaced)
        try:
            partial.rename(target)
        except BaseException:
            replaced.rename(target)
            raise
    sync(target.parent)
    _remove(replaced)


def exchange(one: Path, other: Path) -> bool:
    """Exchange two names atomically; return False if the file system cannot."""
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    paths = [os.fsencode(path) for path in (one, other)]
    return int(call(_HERE, paths[0], _HERE, paths[1], ctypes.c_uint(_EXCHANGE))) == 0


def recover(target: Path) -> None:
    """Restore or delete the remains of a run that was killed while it replaced a store."""
    left = _left(target)
    if not left:
        return
    try:
        lock = FileLock(target)
    except CheckpointError:  # the run is still alive
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
    """Return old stores, the newest first, new stores that cannot be resumed, and their progress.

    The progress of labels remains without its store if a run is killed after it has published them.
    """
    if not target.parent.is_dir():
        return []
    starts = (f".{target.name}.replaced-", f".{target.name}.partial-{_ONCE}")
    names = [path.name for path in target.parent.iterdir()]
    found = [target.with_name(name) for name in names if name.startswith(starts)]
    if not any(name.startswith(f".{target.name}.partial-") for name in names):
        found += [path for path in [progress_of(target)] if path.name in names]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


@contextmanager
def alone(target: Path) -> Iterator[None]:
    """Hold a lock on the target, so that no other run writes there.

    Raises
    ------
    OutputExistsError
        If another run holds the lock.
    """
    try:
        lock: FileLock | None = FileLock(target)
    except LockedError:
        raise OutputExistsError(
            f"{target} is being written by another run: wait for it, or name another output."
        ) from None
    except CheckpointError:
        lock = None
        warn(
            f"{target} is on a file system without locks: let no other run write to it until this "
            "one has ended",
            OutputWarning,
        )
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _remove(folder: Path, patience: float = 5.0) -> None:
    """Delete a folder to which tasks of a failed read may still write."""
    end = time.monotonic() + patience
    while folder.exists() and time.monotonic() < end:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            time.sleep(0.02)
