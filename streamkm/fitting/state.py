"""The immutable state of a fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streamkm.checkpointable import Checkpointable
from streamkm.engine import Folded
from streamkm.fitting.halving import halved
from streamkm.fitting.reads import Reads
from streamkm.fitting.trajectory import Trajectory
from streamkm.passes import Pass, Table
from streamkm.reasons import DROPPED
from streamkm.rows import BlockPlan, Room, Scaling, Shifted

BlockNumbers = tuple[int, ...] | None  # None for all blocks


@dataclass(frozen=True)
class FitState(Checkpointable):
    """State of a fit between two reads, or between two waves of a read.

    Parameters
    ----------
    plan : BlockPlan, which rows form which block; the bits of the result depend on it
    trajectories : one for each restart
    room : Room, the memory that statistics may use between reads
    reads : Reads so far
    halving : whether the worse half of the restarts is dropped after 2, 4, 8, ... iterations
    extra_passes : further passes for the first read
    extra_statistics : their statistics, once read
    table : Table of all distinct rows if they are few; it then replaces the data
    in_memory : whether the last answer came without a read: from the table, cached blocks or rows
    folded : Folded, the partial statistics of the current read, or None between reads
    labelled : whether all labels under the final centroids were written
    label_blocks : finished blocks of a read that writes labels, 0 outside one
    scaling : Scaling that is applied to the rows before every pass, or None
    n_rows : number of rows that are not left out, or None before the first read of all blocks
    """

    plan: BlockPlan
    trajectories: tuple[Trajectory, ...]
    room: Room
    reads: Reads
    halving: bool = False
    extra_passes: tuple[Pass[Any], ...] = ()
    extra_statistics: tuple[Any, ...] = ()
    table: Table | None = None
    in_memory: bool = False
    folded: Folded | None = None
    labelled: bool = False
    label_blocks: int = 0
    scaling: Scaling | None = None
    n_rows: int | None = None

    @property
    def n_passes(self) -> float:
        return self.reads.total

    @property
    def done(self) -> bool:
        return all(t.done for t in self.trajectories)

    @property
    def best(self) -> Trajectory:
        """The trajectory of the lowest loss; the first of equal ones."""
        racing = [t for t in self.trajectories if t.stop_reason != DROPPED]
        return min(racing, key=lambda t: np.inf if t.inertia is None else t.inertia)

    @property
    def read_blocks(self) -> int:
        """Finished blocks of the current read, also of labelling; 0 between reads."""
        return self.label_blocks if self.folded is None else self.folded.n_blocks

    @property
    def can_stop(self) -> bool:
        """Whether every trajectory has centroids, so that the fit can stop."""
        return all(t.state is not None for t in self.trajectories)

    @property
    def evaluating(self) -> bool:
        """Whether only the loss of the final centroids of a single trajectory is missing."""
        return len(self.trajectories) == 1 and self.trajectories[0].evaluating

    @property
    def phase(self) -> str:
        """The phase that the next read belongs to."""
        return "iterations" if self.can_stop else "seeding"

    def ask(self) -> tuple[tuple[Pass[Any], ...], BlockNumbers]:
        """Return the passes of the next read and the numbers of its blocks.

        The first trajectory that is not done determines the blocks. Trajectories that request the
        same blocks share the read.
        """
        requests = [t.ask() for t in self.trajectories if not t.done]
        _, blocks = requests[0]
        return tuple(question for question, own in requests if own == blocks), blocks

    def tell(self, statistics: Sequence[Any], read: BlockNumbers) -> FitState:
        """Return the state after the statistics of the passes that `ask` returned.

        `read` are the numbers of the blocks that were not in memory.
        """
        _, blocks = self.ask()
        answers = iter(statistics)
        trajectories = tuple(
            t if t.done or t.ask()[1] != blocks else t.tell(next(answers))
            for t in self.trajectories
        )
        trajectories = halved(trajectories) if self.halving else trajectories
        return replace(self.after_read(self.phase, read), trajectories=trajectories)

    @property
    def working(self) -> str:
        """Description of the work in memory that has begun; empty between two steps."""
        return next((t.working for t in self.trajectories if t.working), "")

    def advance(self) -> FitState | None:
        """Return the state after steps that need no pass over the data, or None.

        One seeding advances at a time, because its search needs memory.
        """
        trajectories, advanced, seeding = [], False, False
        for trajectory in self.trajectories:
            waits = seeding and trajectory.state is None
            after = None if waits else trajectory.advance()
            seeding |= trajectory.state is None and after is not None
            advanced |= after is not None
            trajectories.append(after or trajectory)
        if not advanced:
            return None
        return replace(self, trajectories=tuple(trajectories), in_memory=True)

    def stop(self, reason: str) -> FitState:
        """Return the state with the iterations ended for an external reason."""
        return replace(self, trajectories=tuple(t.stop(reason) for t in self.trajectories))

    def shifted(self, shift: Shifted, read: BlockNumbers) -> FitState:
        """Return the first state for shifted rows; the read so far has found the shift."""
        trajectories = tuple(t.scaled(shift) for t in self.trajectories)
        return replace(self.after_read("opening", read), trajectories=trajectories, scaling=shift)

    def on_table(self, table: Table) -> FitState:
        """Return the first state with the table instead of the data.

        The result then does not depend on how the rows are stored.
        """
        trajectories = tuple(t.on_table(len(table.weights)) for t in self.trajectories)
        reads = self.reads.one_more(self.phase)
        return replace(self, trajectories=trajectories, reads=reads, table=table, in_memory=True)

    def after_read(self, phase: str, read: BlockNumbers) -> FitState:
        """Return the state with one more read of these blocks, which were not in memory."""
        if read is None:
            return replace(self, reads=self.reads.one_more(phase), in_memory=False)
        sizes = [math.prod(s.stop - s.start for s in self.plan.region(n)) for n in read]
        row_nbytes = self.reads.nbytes // math.prod(self.plan.row_shape)
        reads = self.reads.part(phase, sum(sizes) * row_nbytes)
        return replace(self, reads=reads, in_memory=not read)
