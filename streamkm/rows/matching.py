"""Matching of data with the names of features."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from streamkm.errors import DataError
from streamkm.rows.coordinates import close
from streamkm.rows.names import Names

_SHOWN = 12
_WHOSE = ("the data", "the fit")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


def reordering(
    own: Names | None,
    wanted: Sequence[str] | None,
    whose: tuple[str, str] = _WHOSE,
) -> tuple[int, ...] | None:
    """Return the position of each wanted name in the data; None if features match by position.

    Features match by position if one side has no names, or if one side is a numbering (0, 1, ...;
    1, 2, ...; f0, f1, ...) and the other has words. Numeric names are compared as numbers: 450
    equals 450.0, and so do numbers that differ by less than a thousandth of their spacing.

    Parameters
    ----------
    own, wanted : names of the data, and names to match
    whose : what has these names, for messages

    Raises
    ------
    DataError
        If the names differ, or one occurs twice.

    Examples
    --------
    >>> reordering(("blue", "green", "red"), ("red", "green", "blue"))
    (2, 1, 0)
    >>> reordering(("1", "2"), ("red", "green")) is None
    True
    >>> reordering(("550", "450"), ("450.0", "550.0"))
    (1, 0)
    """
    if own is None or wanted is None:
        return None
    asked = tuple(wanted)
    for names, what in zip((own, asked), whose, strict=True):
        check_unique(names, what)
    own = _respelled(own, asked)
    if own == asked:
        return None
    if len(own) == len(asked) and (_counts(own, asked) or _counts(asked, own)):
        return None
    if set(own) != set(asked):
        known, needed = set(own), set(asked)
        lacking = [name for name in asked if name not in known]
        other = [name for name in own if name not in needed]
        said = [f"without {shown(lacking)}"] if lacking else []
        said += [f"with {shown(other)}"] if other else []
        fix = "Give the same features, in any order, or rename them."
        python = (
            f"{fix} To match them by position, give data without names: drop the coordinate (in "
            "xarray, drop_vars), or give the values of the table as an array."
        )
        command = f"{fix} To match them by position, give data without names of features."
        if not lacking and whose == _WHOSE:
            command = "Give data with only the features of the fit."
            python = (
                f"Select the features of the fit: data[{shown(asked)}] for a table or a Dataset, "
                "sel for a DataArray."
            )
        raise DataError(
            f"the features of {whose[0]} are {shown(own)}, not {shown(asked)} as in {whose[1]}: "
            f"{', '.join(said)}.",
            python=python,
            command=command,
        )
    places = {name: place for place, name in enumerate(own)}
    return tuple(places[name] for name in asked)


def check_unique(names: Sequence[str], whose: str) -> None:
    """Raise an error if a name occurs twice."""
    twice = [repr(str(name)) for name, n in Counter(names).items() if n > 1]
    if twice:
        several = f"names {', '.join(twice[:_SHOWN][:-1])} and {twice[:_SHOWN][-1]}"
        said = several if len(twice) > 1 else f"name {twice[0]}"
        raise DataError(
            f"the features of {whose} have the {said} more than once: {shown(names)}. Give every "
            "feature its own name, or give data without names to match features by position."
        )


def _respelled(own: Names, wanted: Names) -> Names:
    """Return the names with numbers spelled like equal numbers of the wanted names."""
    if set(own) == set(wanted):
        return own
    parts = [[name.split(", ") for name in names] for names in (own, wanted)]
    if len({len(labels) for side in parts for labels in side}) != 1:  # a comma inside a name
        parts = [[[name] for name in names] for names in (own, wanted)]
    columns = zip(*(zip(*side, strict=True) for side in parts), strict=True)
    spelled = [_paired(set(mine), set(theirs)) for mine, theirs in columns]
    return tuple(
        ", ".join(pairs.get(label, label) for label, pairs in zip(labels, spelled, strict=True))
        for labels in parts[0]
    )


def _paired(own: set[str], wanted: set[str]) -> dict[str, str]:
    """Return the wanted label for each equal number; empty if the labels are not numbers."""
    labels = own | wanted
    if own == wanted or len(own) != len(wanted) or not all(map(_NUMBER.fullmatch, labels)):
        return {}
    if all(label.isdigit() for label in labels):  # compared as exact text
        return {}
    mine, theirs = sorted(own, key=float), sorted(wanted, key=float)
    a, b = np.array(mine, np.float64), np.array(theirs, np.float64)
    precision = np.finfo(np.float64 if len(own) > 1 else np.float32).eps
    whole = np.array_equal(a, np.rint(a)) and np.array_equal(b, np.rint(b))
    equal = np.array_equal(a, b) if whole else close(a, b, float(precision))
    distinct = bool(np.all(np.diff(a) > 0) and np.all(np.diff(b) > 0))
    return dict(zip(mine, theirs, strict=True)) if equal and distinct else {}


def _counts(names: Names, others: Names) -> bool:
    """Return whether names only number the features, and the other names do not."""
    if any(re.fullmatch(r"f?\d+", name) for name in others):
        return False
    starts = (("", 0), ("", 1), ("f", 0))
    return any(names == tuple(f"{p}{i + s}" for i in range(len(names))) for p, s in starts)


def shown(names: Sequence[str]) -> str:
    """Return names for a message, only the first ones if there are many."""
    some = ", ".join(repr(str(name)) for name in names[:_SHOWN])
    more = f", ... ({len(names)} in all)" if len(names) > _SHOWN else ""
    return f"[{some}{more}]"
