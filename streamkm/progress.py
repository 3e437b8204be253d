"""Progress of long work, as it is reported to callbacks and to the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


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


Watch = Callable[[Progress], Any]
