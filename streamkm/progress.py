"""Progress of long work, as it is reported to callbacks and to the command line."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class Progress:
    """How far a phase of a run is.

    Parameters
    ----------
    phase : str
        Name of the phase, such as 'ingest', 'headers', 'colours' or 'codes'.
    done : int
        Units of the phase that are finished.
    total : int or None
        Units of the phase in all, or None where that is not known.
    unit : str
        What is counted, in the plural: 'shards', 'batches', 'blocks'.
    nbytes : int
        Decoded bytes of the units that are finished; 0 where they are not known.
    """

    phase: str
    done: int
    total: int | None
    unit: str
    nbytes: int = 0


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
