"""What a checkpoint holds: a state of a fit, and the facts that its next run is compared with."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from streamkm.checkpoint import Generations, flatten, restore
from streamkm.engine import Folded
from streamkm.errors import CheckpointError
from streamkm.fitting.kept import Kept
from streamkm.fitting.reads import Reads
from streamkm.fitting.state import FitState
from streamkm.fitting.step import Step
from streamkm.fitting.stopping import StopRules
from streamkm.fitting.trajectory import Trajectory
from streamkm.passes import Pass, Statistic
from streamkm.rows import BlockPlan, Room, Shifted, Standardised, UnitLength
from streamkm.seeding import Rough, Seeding


@dataclass(frozen=True)
class Facts:
    """What is known of a fit beside its state.

    Parameters
    ----------
    parameters : what it was asked for
    data : fingerprint of what it is of
    versions : of what its bits hang on
    identity : the same in all its runs
    seconds : spent in earlier runs
    runs : how many there were, this one included
    """

    parameters: dict[str, Any]
    data: dict[str, Any]
    versions: dict[str, str]
    identity: str
    seconds: float = 0.0
    runs: int = 1


@dataclass(frozen=True)
class Saved:
    """A state of a fit and its facts."""

    state: FitState
    facts: Facts

    def resumed(self, rules: StopRules) -> FitState:
        """Its state under the rules of now."""
        told = tuple(t.under(rules) for t in self.state.trajectories)
        if all(a is b for a, b in zip(told, self.state.trajectories, strict=True)):
            return self.state
        return replace(self.state, trajectories=told, folded=None, labelled=False)


def save(generations: Generations, saved: Saved) -> None:
    """Write it as the next of the generations."""
    arrays: list[Any] = []
    tree = {"state": flatten(saved.state, arrays), **asdict(saved.facts)}
    generations.save(tree, arrays)


def load(generations: Generations) -> Saved | None:
    """The last whole state of a checkpoint, or None where there is none yet.

    Raises
    ------
    CheckpointError
        When none is whole, or they were made by a version that this one cannot read.
    """
    found = generations.load()
    if found is None:
        return None
    tree, arrays = found
    try:
        state = restore(tree["state"], arrays, _known())
        return Saved(state, Facts(**{n: value for n, value in tree.items() if n != "state"}))
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"{generations.where} was made by streamkm {tree['versions'].get('streamkm')}, whose "
            f"states this version does not know ({error}). Go on with that one, or begin anew."
        ) from error


def _known() -> dict[str, type[Any]]:
    """Every class that a state may be made of."""
    kinds: list[type[Any]] = [FitState, Trajectory, Step, StopRules, Reads, Room, BlockPlan]
    kinds += [Kept, Folded, Rough, Shifted, Standardised, UnitLength]
    for base in (Statistic, Seeding, Pass):
        kinds += _below(base)
    return {kind.__name__: kind for kind in kinds}


def _below(base: type[Any]) -> list[type[Any]]:
    own = base.__subclasses__()
    return own + [kind for child in own for kind in _below(child)]
