"""Load the state of a fit or a sweep from its checkpoint."""

from __future__ import annotations

from streamkm.checkpoint import Generations, Saved, load_saved
from streamkm.fitting.state import FitState


def load(generations: Generations) -> Saved[FitState] | None:
    """Return the last intact state of a fit and its record, or None if no state was saved.

    Raises
    ------
    CheckpointError
        If no state is intact, or another version wrote them and this one cannot read them.
    """
    return load_saved(generations)
