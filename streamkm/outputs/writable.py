"""Local paths of outputs, and whether they can be written."""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from pathlib import Path

from streamkm.errors import DataError, OutputExistsError
from streamkm.outputs.marks import zarr_around
from streamkm.outputs.places import Place, place_of

Name = str | os.PathLike[str]


def local(path: Name) -> Path:
    """Return the local path of an output, with links resolved.

    Raises
    ------
    DataError
        For URLs of other file systems, and an empty path.
    """
    found = named(path).local
    if found is None:
        raise DataError(f"{path} is not local; write the output to a local folder, then upload it.")
    return found


def named(path: Name) -> Place:
    """Return the place of a path or URL, which must not be empty."""
    if not os.fspath(path):
        raise DataError("the path of an output is empty; name the output.")
    place = place_of(path)
    assert place is not None
    return place


def check_parent(target: Path) -> None:
    """Raise an error if the folder of an output does not exist.

    Raises
    ------
    DataError
        With the folder.
    """
    if not target.parent.is_dir():
        raise DataError(f"{target.parent} is not a folder; create it first.")


def refuse_in_a_store(path: Name, target: Path) -> None:
    """Raise an error for plain files in a Zarr store.

    Raises
    ------
    OutputExistsError
        If the path is in a store; the message names it.
    """
    around = zarr_around(target)
    if around is not None:
        raise OutputExistsError(
            f"{path} lies in the Zarr store {around}, which other files would damage; name a path "
            "outside it."
        )


def try_writing(target: Path) -> None:
    """Create and delete a folder beside the target, with a name of the maximum length.

    Raises
    ------
    DataError
        If this fails; the message gives the cause.
    """
    trial = target.with_name(f".{target.name}.partial-once-{uuid.uuid4().hex[:8]}")
    try:
        trial.mkdir()
    except OSError as error:
        raise DataError(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            trial.rmdir()
    if target.is_dir() and not os.access(target, os.W_OK | os.X_OK):
        raise DataError(f"{target} exists and is not writable, so it cannot be replaced.")
