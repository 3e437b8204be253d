"""The record of a fit or a sweep, and its comparison with the record of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from streamkm.checkpoint import Generations, Record, difference, load_saved, warn_of_versions
from streamkm.errors import CheckpointError, CheckpointWarning, DataChangedError
from streamkm.outputs import place_of, plain
from streamkm.rows import Rows, fingerprint
from streamkm.versions import versions
from streamkm.warn import warn

# Parameters that a run that resumes may change.
_FREE = (
    "max_iter",
    "tol",
    "loss_tol",
    "distortion_tol",
    "max_no_improvement",
    "time_limit",
    "memory_limit",
)
_NOT_COMPARED = (*_FREE, "labels", "compute_labels")


def record_of_fit(kind: str, parameters: Mapping[str, Any], rows: Rows) -> Record:
    """The record of a fit or a sweep.

    Parameters
    ----------
    kind : 'fit', 'sweep', ...
    parameters : all options; a later run may change the stop rules and limits
    rows : Rows, whose fingerprint is taken
    """
    asked = plain(parameters)
    free = {name: asked.pop(name) for name in _NOT_COMPARED if name in asked}
    place = place_of(rows.sources[0])
    if place is not None:
        free["data"] = str(place)  # for `info`; the fingerprint decides whether data are the same
    return Record(kind, asked, fingerprint(rows), free, versions())


def refuse_changes(record: Record, rows: Rows, remedy: str) -> None:
    """Refuse rows that have changed since the record was made; warn if they cannot be listed.

    Raises
    ------
    DataChangedError
        If the rows have changed; the message names the difference and ends with the remedy.
    """
    try:
        now = fingerprint(rows)
    except Exception as error:  # object stores have errors of their own
        warn(
            f"the files of the data could not be listed ({error}); changes will not be detected",
            CheckpointWarning,
        )
        return
    found = difference(record, replace(record, data=now))
    if found:
        raise DataChangedError(f"the data changed while they were read: {found.sentence}. {remedy}")


def same_data(where: Any, rows: Rows) -> None:
    """Refuse rows that differ from those of a checkpoint.

    Raises
    ------
    DataChangedError
        If they differ; the message names the difference.
    """
    saved = load_saved(Generations(where, "r"))
    if saved is not None:
        refuse_other(saved.record, replace(saved.record, data=fingerprint(rows)), where)


def refuse_other(before: Record, now: Record, where: Any) -> None:
    """Refuse a checkpoint of another run; warn if other versions wrote it.

    Raises
    ------
    CheckpointError
        If the run has other parameters; the message names the first difference.
    DataChangedError
        If the run has other data.
    """
    found = difference(before, now)
    if found is None:
        return
    if found.part == "data":
        names: list[Any] = [record.data.get("features", ()) for record in (before, now)]
        reordered = names[0] != names[1] and set(names[0]) == set(names[1])
        remedy = "Restore those data with their modification times"
        if reordered:
            remedy = "Select the features in their former order"
        raise DataChangedError(
            f"the checkpoint {where} belongs to other data: {found.sentence}. {remedy}, or name "
            "another checkpoint."
        )
    if found.part != "versions":
        raise CheckpointError(
            f"the checkpoint {where} holds a run with other parameters: {found.sentence}. Give the "
            f"same parameters ({', '.join(_FREE)} may differ), or name another checkpoint."
        )
    warn_of_versions(found)
