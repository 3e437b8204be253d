"""The record of a resumable run, and what a run saves: its record and its state."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar

from streamkm.checkpoint.generations import Generations
from streamkm.checkpoint.tree import flatten, restore
from streamkm.errors import CheckpointError

State = TypeVar("State")
Facts = Mapping[str, object]
_DIGEST = re.compile("[0-9a-f]{16,}")


@dataclass(frozen=True)
class Record:
    """What a resumable run is: which result it computes, of which data, with which versions.

    All mappings are strict JSON, so that a record that was stored equals the one it was made from.

    Parameters
    ----------
    kind : 'fit', 'sweep', 'ingest', 'compress', ...
    asked : options that determine the result; a run that resumes must have the same
    data : fingerprint of the data
    free : options that a run that resumes may change, such as stop rules and limits
    versions : of everything that determines the bits
    identity : the same in all runs that resume one another
    seconds : spent in earlier runs
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
        return cls(**facts)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def resuming(self, before: Record) -> Record:
        """The record of this run, which resumes an earlier one."""
        runs = before.runs + 1
        return replace(self, identity=before.identity, seconds=before.seconds, runs=runs)


@dataclass(frozen=True)
class Difference:
    """The first thing in which two records differ.

    Parameters
    ----------
    part : field of the record
    sentence : what was and what is now, by name
    """

    part: Literal["kind", "data", "asked", "versions"]
    sentence: str


def difference(before: Record, now: Record) -> Difference | None:
    """The first thing that forbids a run to resume another, or None.

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
    """The first difference of two JSON values, with the names that lead to it; a lack is null."""
    if before == now:
        return None
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        pairs = [(f"{name} {key}", before.get(key), now.get(key)) for key in {**before, **now}]
    elif isinstance(before, list) and isinstance(now, list) and _of_mappings(before + now):
        pairs = [(f"{name} {n}", *pair) for n, pair in enumerate(zip(before, now, strict=False), 1)]
        pairs.append((f"the number of {name.strip()}", len(before), len(now)))
    elif all(isinstance(value, str) and _DIGEST.fullmatch(value) for value in (before, now)):
        return f"{name.strip()} changed"
    else:
        return f"{name.strip()} was {before}, is now {now}"
    return next(filter(None, (_difference(*pair) for pair in pairs)), None)


def _of_mappings(values: list[object]) -> bool:
    return all(isinstance(value, Mapping) for value in values)


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
        """Write it as the next of the generations."""
        arrays: list[Any] = []
        tree = {"record": self.record.to_json(), "state": flatten(self.state, arrays)}
        generations.save(tree, arrays)


def load_saved(generations: Generations, known: Mapping[str, type[Any]]) -> Saved[Any] | None:
    """The last whole state of a checkpoint and its record, or None where there is none yet.

    Parameters
    ----------
    generations : Generations
    known : classes that the state may be made of, by name

    Raises
    ------
    CheckpointError
        When no state is whole, or they were made by a version that this one cannot read.
    """
    found = generations.load()
    if found is None:
        return None
    tree, arrays = found
    try:
        record = Record.from_json(tree["record"])
        return Saved(record, restore(tree["state"], arrays, known))
    except (KeyError, TypeError) as error:
        made_by = tree.get("record", tree).get("versions", {}).get("streamkm", "an unknown version")
        raise CheckpointError(
            f"{generations.where} was made by streamkm {made_by}, whose states this version cannot "
            f"read ({error}). Continue with that version, or start again with another checkpoint."
        ) from error
