"""Load the state of a fit or a sweep from its checkpoint."""

from __future__ import annotations

from streamkm.checkpoint import Generations, Saved, load_saved
from streamkm.fitting.state import FitState


def load(generations: Generations) -> Saved[FitState] | None:
    """Return the last whole state of a fit and its record, or None if there is none yet.

    Raises
    ------
    CheckpointError
        If no state is whole, or a version made them that this one cannot read.
    """
    return load_saved(generations)
