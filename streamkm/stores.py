"""What streamkm writes, whole under its name or not there at all; arrays of labels."""

from __future__ import annotations

import math
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from streamkm.checkpoint import FileLock
from streamkm.errors import DataError, LockedError, OutputExistsError
from streamkm.rows import BlockPlan

_FEW_CHUNKS, _CHUNKS_A_BLOCK = 1000, 64


def check_output(
    path: str | os.PathLike[str], overwrite: bool, apart_from: Sequence[str | None] = ()
) -> Path:
    """Refuse an output that cannot be written, before any work.

    Parameters
    ----------
    path : where the output goes
    overwrite : whether something that streamkm wrote there may be replaced
    apart_from : inputs and other outputs, which must not lie in each other

    Raises
    ------
    OutputExistsError
        When something is there and `overwrite` is not set, or it may never be replaced.
    DataError
        For URLs and folders that do not exist.
    """
    if "://" in os.fspath(path):
        raise DataError(f"{path}: outputs go to a local folder; copy the store up when whole.")
    target = Path(path).resolve()
    for other in apart_from:
        if other is None or "://" in other:
            continue
        place = Path(other).resolve()
        if target == place or target in place.parents or place in target.parents:
            raise OutputExistsError(f"{path} and {other} lie in each other; name another output.")
    _check_free(target, overwrite)
    if not target.parent.is_dir():
        raise DataError(f"{target.parent} is not a folder; make it first.")
    return target


def _check_free(target: Path, overwrite: bool) -> None:
    if target.exists() and not overwrite:
        raise OutputExistsError(
            f"{target} exists; name another output, or overwrite it (--overwrite, overwrite=True)."
        )
    if target.exists() and not _is_ours(target):
        raise OutputExistsError(
            f"{target} was not written by streamkm, so it is never overwritten."
        )


def _is_ours(target: Path) -> bool:
    """Whether streamkm wrote what is there, by the mark it leaves."""
    return str(marks_of(target).get("kind", "")).startswith("streamkm ")


def fit_of(target: Path) -> str:
    """The fit with a checkpoint that wrote what is there, or an empty text."""
    return str(marks_of(target).get("fit", ""))


def marks_of(target: str | os.PathLike[str]) -> dict[str, Any]:
    """The attributes of a Zarr array or group; none where there is none that can be read."""
    try:
        return dict(zarr.open(os.fspath(target), mode="r").attrs)
    except Exception:  # whatever a file system may say of what is not there
        return {}


@contextmanager
def whole(target: Path, overwrite: bool, mark: str = "") -> Iterator[Path]:
    """A sibling to write to, which takes the target's name only when the block succeeds.

    What is written under a mark is left where it is when the block fails, and found there by the
    next who writes under it: a fit that goes on.

    Raises
    ------
    OutputExistsError
        When something has taken the name meanwhile and `overwrite` is not set.
    """
    tag = mark[:8] or uuid.uuid4().hex[:8]
    partial = target.with_name(f".{target.name}.partial-{tag}")
    replaced = target.with_name(f".{target.name}.replaced-{tag}")
    try:
        yield partial
        _check_free(target, overwrite)
        if target.exists():
            _remove(replaced)  # of a run that was killed while it did so
            target.rename(replaced)
        try:
            partial.rename(target)
        except BaseException:
            if replaced.exists():
                replaced.rename(target)
            raise
    finally:
        if not mark:
            _remove(partial)
        if target.exists():
            _remove(replaced)


@contextmanager
def alone(target: Path) -> Iterator[None]:
    """No other run writes there meanwhile.

    Raises
    ------
    OutputExistsError
        When one does.
    """
    try:
        lock = FileLock(target)
    except LockedError:
        raise OutputExistsError(
            f"{target} is being written by another run: wait for it, or name another output."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _remove(folder: Path, patience: float = 5.0) -> None:
    """Remove a folder that tasks of a failed read may still be writing to."""
    end = time.monotonic() + patience
    while folder.exists() and time.monotonic() < end:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.02)


def create_labels(
    path: Path,
    plan: BlockPlan,
    dtype: np.dtype[Any],
    dimensions: tuple[str | None, ...] | None,
    attributes: dict[str, Any],
) -> Any:
    """An empty Zarr array of the row shape, chunked so that every chunk lies within one block.

    Raises
    ------
    DataError
        When uneven blocks would make very many chunks of them.
    """
    chunks = plan.common_chunks
    count = math.prod(-(-n // c) for n, c in zip(plan.row_shape, chunks, strict=True))
    if count > max(_FEW_CHUNKS, _CHUNKS_A_BLOCK * plan.n_blocks):
        raise DataError(
            f"blocks of uneven sizes have chunks of {chunks} in common, which makes {count:,} "
            "files of labels; rechunk the rows evenly (in Dask, x.rechunk({0: 100_000})) first."
        )
    return zarr.create_array(
        path,
        shape=plan.row_shape,
        chunks=chunks,
        dtype=dtype,
        dimension_names=dimensions,
        attributes=attributes,
    )
