"""A whole fit as an immutable state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streamkm.checkpointable import Checkpointable
from streamkm.engine import Folded
from streamkm.fitting.halving import halved
from streamkm.fitting.reads import Reads
from streamkm.fitting.stopping import DROPPED
from streamkm.fitting.trajectory import Trajectory
from streamkm.passes import Pass, Table
from streamkm.rows import BlockPlan, Room, Scaling, Shifted


@dataclass(frozen=True)
class FitState(Checkpointable):
    """A whole fit between two reads, or between two waves of one.

    Parameters
    ----------
    plan : BlockPlan, which rows form which block; the bits of the result hang on it
    trajectories : one a restart
    room : Room, what may be kept in memory between reads
    reads : Reads so far
    halving : whether the worse half of the restarts is dropped after 2, 4, 8, ... iterations
    riders : further passes that go with the first read
    answers : their statistics, once read
    table : Table of all distinct rows where they are few: from then on it is asked, not the data
    in_memory : whether the last answer came without a read: from the table, kept blocks or rows
    folded : Folded so far of the read that is under way, or None between reads
    labelled : whether all labels under the final centroids were written
    scaling : Scaling that rows are seen through, or None
    """

    plan: BlockPlan
    trajectories: tuple[Trajectory, ...]
    room: Room
    reads: Reads
    halving: bool = False
    riders: tuple[Pass[Any], ...] = ()
    answers: tuple[Any, ...] = ()
    table: Table | None = None
    in_memory: bool = False
    folded: Folded | None = None
    labelled: bool = False
    scaling: Scaling | None = None

    @property
    def n_passes(self) -> int:
        return self.reads.total

    @property
    def done(self) -> bool:
        return all(t.done for t in self.trajectories)

    @property
    def best(self) -> Trajectory:
        """The trajectory of the lowest loss; of equal ones the first."""
        racing = [t for t in self.trajectories if t.stop_reason != DROPPED]
        return min(racing, key=lambda t: np.inf if t.inertia is None else t.inertia)

    @property
    def can_stop(self) -> bool:
        """Whether every trajectory has centroids to stop at."""
        return all(t.seeding is None for t in self.trajectories)

    @property
    def phase(self) -> str:
        """What the next read is for."""
        return "iterations" if self.can_stop else "seeding"

    def stopped(self, reason: str) -> FitState:
        return replace(self, trajectories=tuple(t.stopped(reason) for t in self.trajectories))

    def shifted(self, shift: Shifted) -> FitState:
        """The first state again, of shifted rows; the read so far was for that."""
        trajectories = tuple(t.among(shift) for t in self.trajectories)
        reads = self.reads.one_more("opening")
        return replace(self, trajectories=trajectories, reads=reads, scaling=shift)

    @property
    def can_advance(self) -> bool:
        """Whether some trajectory goes on without a read."""
        return any(t.can_advance for t in self.trajectories)

    def advance(self) -> FitState:
        """The state after a step of each trajectory that needs no read."""
        told = tuple(t.advance() if t.can_advance else t for t in self.trajectories)
        return replace(self, trajectories=told, in_memory=True)

    def told(self, statistics: Sequence[Any], in_memory: bool = False) -> FitState:
        """The state after an answer to every trajectory that was not done."""
        answers = iter(statistics)
        told = tuple(t if t.done else t.tell(next(answers)) for t in self.trajectories)
        reads = self.reads if in_memory else self.reads.one_more(self.phase)
        told = halved(told) if self.halving else told
        return replace(self, trajectories=told, reads=reads, in_memory=in_memory)
