"""What a checkpoint of a fit or a sweep holds: its record, and a `FitState`."""

from __future__ import annotations

from typing import Any

from streamkm.checkpoint import Generations, Saved, load_saved
from streamkm.engine import Folded
from streamkm.fitting.kept import Kept
from streamkm.fitting.reads import Reads
from streamkm.fitting.state import FitState
from streamkm.fitting.step import Step
from streamkm.fitting.stopping import StopRules
from streamkm.fitting.trajectory import Trajectory
from streamkm.passes import Pass, Statistic
from streamkm.rows import BlockPlan, Room, Shifted, Standardised, UnitLength
from streamkm.seeding import Rough, Seeding


def load(generations: Generations) -> Saved[FitState] | None:
    """The last whole state of a fit and its record, or None where there is none yet.

    Raises
    ------
    CheckpointError
        When none is whole, or they were made by a version that this one cannot read.
    """
    return load_saved(generations, _known())


def _known() -> dict[str, type[Any]]:
    """Every class that a state may be made of."""
    kinds: list[type[Any]] = [FitState, Trajectory, Step, StopRules, Reads, Room, BlockPlan]
    kinds += [Kept, Folded, Rough, Shifted, Standardised, UnitLength]
    for base in (Statistic, Seeding, Pass):
        kinds += _subclasses(base)
    return {kind.__name__: kind for kind in kinds}


def _subclasses(base: type[Any]) -> list[type[Any]]:
    own = base.__subclasses__()
    return own + [kind for child in own for kind in _subclasses(child)]
