"""The record of a resumable run, and a saved state with its record."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from streamkm.checkpoint.generations import Generations
from streamkm.checkpoint.kinds import refuse_misfits
from streamkm.checkpoint.tree import flatten, restore
from streamkm.errors import CheckpointError, CheckpointWarning, OutputExistsError
from streamkm.warn import warn

State = TypeVar("State")
Facts = Mapping[str, object]
_DIGEST = re.compile("[0-9a-f]{16,}")


@dataclass(frozen=True)
class Record:
    """Description of a resumable run: its options, data and versions.

    All mappings are strict JSON, so that a loaded record equals the stored one.

    Parameters
    ----------
    kind : 'fit', 'sweep', 'ingest', 'compress', ...
    asked : options that determine the result; a run that resumes must have the same
    data : fingerprint of the data
    free : options that a run that resumes may change, such as stop rules and limits
    versions : versions of everything that determines the bits
    identity : the same in all runs that resume one another
    seconds : duration of the earlier runs together
    runs : number of runs, this one included
    """

    kind: str
    asked: Facts
    data: Facts
    free: Facts = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    identity: str = field(default_factory=lambda: uuid.uuid4().hex)
    seconds: float = 0.0
    runs: int = 1

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Record:
        """The record that `to_json` wrote.

        Raises
        ------
        TypeError
            For the facts of a version with other fields.
        """
        made = cls(**facts)
        refuse_misfits(made)
        return made

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def resuming(self, before: Record) -> Record:
        """The record of this run, which resumes an earlier one."""
        runs = before.runs + 1
        return replace(self, identity=before.identity, seconds=before.seconds, runs=runs)


@dataclass(frozen=True)
class Difference:
    """The first difference of two records.

    Parameters
    ----------
    part : field of the record
    sentence : name, old value and new value
    """

    part: Literal["kind", "data", "asked", "versions"]
    sentence: str


def difference(before: Record, now: Record) -> Difference | None:
    """The first difference because of which a run cannot resume another, or None.

    Options that are free, the identity, the seconds and the number of runs are not compared.
    Versions come last, so a difference of versions means that everything else is the same.

    Examples
    --------
    >>> record = Record("fit", {"n_clusters": 5}, {"shape": [100, 2]}, free={"max_iter": 10})
    >>> difference(record, replace(record, asked={"n_clusters": 6}))
    Difference(part='asked', sentence='n_clusters was 5, is now 6')
    >>> difference(record, replace(record, free={"max_iter": 20}))
    """
    if before.kind != now.kind:
        return Difference("kind", f"it was a {before.kind}, is now a {now.kind}")
    pairs: list[tuple[Literal["data", "asked", "versions"], Facts, Facts]] = [
        ("data", before.data, now.data),
        ("asked", before.asked, now.asked),
        ("versions", before.versions, now.versions),
    ]
    for part, old, new in pairs:
        sentence = _difference("", old, new)
        if sentence:
            return Difference(part, sentence)
    return None


def _difference(name: str, before: object, now: object) -> str | None:
    """The first difference of two JSON values, with its path; a missing value is null."""
    if before == now:
        return None
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        pairs = [(f"{name} {key}", before.get(key), now.get(key)) for key in {**before, **now}]
    elif isinstance(before, list) and isinstance(now, list) and _of_mappings(before + now):
        entries = enumerate(zip(before, now, strict=False), 1)
        pairs = [(f"{name} {_label(old, new, n)}", old, new) for n, (old, new) in entries]
        pairs.append((f"the number of {name.strip()}", len(before), len(now)))
    elif all(isinstance(value, str) and _DIGEST.fullmatch(value) for value in (before, now)):
        return f"{name.strip()} changed"
    else:
        return f"{name.strip()} was {before}, is now {now}"
    return next(filter(None, (_difference(*pair) for pair in pairs)), None)


def _label(old: Facts, new: Facts, number: int) -> object:
    """Name of a list entry in messages: its first value if both entries have it, or its number."""
    first = next(iter(old.values()), None)
    return first if isinstance(first, str) and first in new.values() else number


def _of_mappings(values: list[object]) -> bool:
    return all(isinstance(value, Mapping) for value in values)


def may_resume(before: Record | None, now: Record, left: Path, overwrite: bool) -> bool:
    """Whether a run resumes the unfinished output of an earlier run, instead of starting again.

    Parameters
    ----------
    before : Record of the earlier run, or None where there is none
    now : Record of this run
    left : folder of the unfinished output
    overwrite : whether a run that differs may be discarded

    Raises
    ------
    OutputExistsError
        If the earlier run differs and may not be discarded; the message names the difference.

    Warns
    -----
    CheckpointWarning
        If only the versions differ; the run resumes.
    """
    if before is None:
        return False
    found = difference(before, now)
    if found and found.part == "versions":
        warn_of_versions(found)
        return True
    if found and not overwrite:
        raise OutputExistsError(
            f"{left} is from an earlier run that differs from this one: {found.sentence}. Repeat "
            "the earlier call to resume it, or start again with",
            python="overwrite=True.",
            command="--overwrite.",
        )
    return found is None


def warn_of_versions(found: Difference) -> None:
    """Warn that a run resumes one that other versions started."""
    warn(
        f"the run was started by other versions ({found.sentence}); it continues, but the result "
        "may differ in the last bits from that of a run without interruption",
        CheckpointWarning,
    )


@dataclass(frozen=True)
class Saved(Generic[State]):
    """A state of a run beside its record.

    Parameters
    ----------
    record : Record
    state : of frozen dataclasses, tuples, arrays and numbers
    """

    record: Record
    state: State

    def save(self, generations: Generations) -> None:
        """Write the record and the state as the next generation."""
        arrays: list[Any] = []
        tree = {"record": self.record.to_json(), "state": flatten(self.state, arrays)}
        generations.save(tree, arrays)


def load_saved(generations: Generations) -> Saved[Any] | None:
    """Return the last complete state of a checkpoint with its record, or None if there is none.

    Raises
    ------
    CheckpointError
        If no state is complete, or a version with other states wrote them.
    """
    found = generations.load()
    if found is None:
        return None
    tree, arrays = found
    try:
        record = Record.from_json(tree["record"])
        return Saved(record, restore(tree["state"], arrays))
    except Exception as error:  # the content may be anything
        try:
            made_by = str(tree["record"]["versions"]["streamkm"])
        except (KeyError, TypeError, IndexError):
            made_by = "of another version"
        reason = f"{type(error).__name__}: {error}"
        raise CheckpointError(
            f"this version cannot read the states of {generations.where}, which streamkm {made_by} "
            f"wrote ({reason}). Use that version, or start again with another checkpoint."
        ) from error
