"""The states of a run, locked while the run uses them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streamkm.checkpoint.generations import Generations, is_local
from streamkm.checkpoint.lock import FileLock, LeaseLock
from streamkm.errors import CheckpointError, LockedError


@contextmanager
def locked(where: Any) -> Iterator[tuple[Generations, FileLock | LeaseLock]]:
    """Yield the states at a path, URL or Zarr store, and their lock, which ends with the block.

    Raises
    ------
    CheckpointError
        If the path holds something else, or another run uses the states.
    """
    lock: FileLock | LeaseLock
    if is_local(where):
        folder = Path(where).resolve()
        if not folder.parent.is_dir():
            raise CheckpointError(f"{folder.parent} is not a folder; create it first.")
        lock = FileLock(folder)
    try:
        generations = Generations(where)
        if not is_local(where):
            lock = _lease(generations)
    except BaseException:
        if is_local(where):
            lock.release()
        raise
    try:
        yield generations, lock
    finally:
        lock.release()


def _lease(generations: Generations) -> LeaseLock:
    try:
        return LeaseLock(generations.group)
    except LockedError:
        raise
    except Exception as error:  # object stores have errors of their own
        raise generations.unreachable(error) from error
