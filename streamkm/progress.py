"""Progress of long work, as it is reported to callbacks and to the command line."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class Progress:
    """Progress of a phase of a run.

    Parameters
    ----------
    phase : str
        Name of the phase, such as 'ingest', 'headers', 'colours' or 'codes'.
    done : int
        Number of finished units of the phase.
    total : int or None
        Number of all units of the phase, or None if it is unknown.
    unit : str
        Name of the units, in the plural: 'shards', 'images', 'blocks'.
    nbytes : int
        Decoded bytes of the finished units; 0 if they are unknown.
    total_nbytes : int
        Decoded bytes of all units; 0 if they are unknown.
    """

    phase: str
    done: int
    total: int | None
    unit: str
    nbytes: int = 0
    total_nbytes: int = 0


PhaseCallback = Callable[[Progress], Any]


def tracked(
    items: Collection[Item], phase: str, unit: str, watch: Sequence[PhaseCallback]
) -> Iterator[Item]:
    """Iterate over items and report how many are finished.

    Examples
    --------
    >>> done = []
    >>> items = tracked("ab", "palettes", "palettes", [lambda now: done.append(now.done)])
    >>> list(items), done
    (['a', 'b'], [0, 1, 2])
    """
    for done, item in enumerate(items):
        for report in watch:
            report(Progress(phase, done, len(items), unit))
        yield item
    for report in watch:
        report(Progress(phase, len(items), len(items), unit))
