"""Checks of the outputs of a run against its inputs and each other, before anything is read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streamkm.errors import OutputExistsError
from streamkm.outputs.destinations import File, Output, Store
from streamkm.outputs.places import place_of, relation
from streamkm.outputs.writable import Name, local, named


def check_outputs(outputs: Sequence[Output | None], inputs: Sequence[Any] = ()) -> None:
    """Raise an error for outputs that cannot be written, or that overlap an input or an output.

    Parameters
    ----------
    outputs : all outputs of the run; None for outputs that are not requested
    inputs : paths, URLs, patterns or opened arrays of all inputs

    Raises
    ------
    OutputExistsError
        If an output exists and may not be replaced, or two places are equal or nested.
    DataError
        For URLs, folders that do not exist, and places that are not writable.
    """
    known = [output for output in outputs if output is not None]
    for output in known:
        if isinstance(output.path, (str, os.PathLike)):
            named(output.path)
    for number, output in enumerate(known):
        for given in inputs:
            refuse_overlap(output.path, given)
        for other in known[:number]:
            if not _apart_by_suffix(output, other):
                refuse_overlap(output.path, other.path)
    for output in known:
        output.check()


def _apart_by_suffix(output: Output, other: Output) -> bool:
    """Return whether two outputs may share a folder: their files have different suffixes."""
    if not output.suffixes or not other.suffixes or set(output.suffixes) & set(other.suffixes):
        return False
    one_file = isinstance(output, File) and isinstance(other, File) and output.path == other.path
    return not one_file


def check_store(path: Name, kind: str, overwrite: bool, inputs: Sequence[Any] = ()) -> Path:
    """Check a store as in `check_outputs` and return its local path."""
    check_outputs([Store(path, kind, overwrite)], inputs)
    return local(path)


def refuse_overlap(path: Any, other: Any) -> None:
    """Raise an error if an output is equal to another place, contains it or is inside it.

    Raises
    ------
    OutputExistsError
        If they overlap; the message names both.
    """
    place, there = place_of(path), place_of(other, pattern=True)
    found = None if place is None or there is None else relation(place, there)
    if found is None or there is None:
        return
    output = path if isinstance(path, (str, os.PathLike)) else place
    shown = other if isinstance(other, (str, os.PathLike)) else there
    same = f"matches the pattern {shown}" if there.pattern else f"is the same place as {shown}"
    how = {
        "same": f"{output} {same}",
        "inside": f"{output} lies inside {shown}",
        "around": f"{shown} lies inside {output}",
    }
    raise OutputExistsError(f"{how[found]}; name another output.")
