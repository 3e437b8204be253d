"""One restart, which passes through the phases seeding, iterating and done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.checkpointable import Checkpointable
from streamkm.in_memory.monitor import current_monitor
from streamkm.passes import OfFeatures, Pass
from streamkm.reasons import DROPPED, TIME_LIMIT
from streamkm.rows import Scaling
from streamkm.seeding import Seeding
from streamkm.updates import Step, StopRules, Update, UpdateState


@dataclass(frozen=True)
class Trajectory(Checkpointable):
    """State of one restart. It never reads: `ask` requests a pass and `tell` takes its statistic.

    Parameters
    ----------
    update : Update
    seeding : Seeding while it runs, then None
    state : state of the update once there are centroids, or None
    interrupted : the seeding or the state of the update that a time limit ended, from which a run
        with more time continues, or None
    features : the first feature and the end of the features that it clusters, or None for all
    """

    update: Update[Any]
    seeding: Seeding | None = None
    state: UpdateState | None = None
    interrupted: Seeding | UpdateState | None = None
    features: tuple[int, int] | None = None

    @property
    def done(self) -> bool:
        return self.state is not None and self.update.done(self.state)

    @property
    def evaluating(self) -> bool:
        """Whether only the loss of the final centroids is missing."""
        return self.state is not None and self.state.evaluating

    @property
    def centroids(self) -> Float64Array | None:
        """Centroids (k, d) so far; None while seeding."""
        return None if self.state is None else self.state.centroids

    @property
    def history(self) -> tuple[Step, ...]:
        return () if self.state is None else self.state.history

    @property
    def stop_reason(self) -> str | None:
        return None if self.state is None else self.state.stop_reason

    @property
    def inertia(self) -> float | None:
        """Loss of the final centroids, once known."""
        return None if self.state is None else self.state.inertia

    @property
    def weight(self) -> float:
        """Sum of the weights of all rows, known after the first iteration."""
        return 0.0 if self.state is None else self.state.weight

    @property
    def statistic(self) -> Any:
        """Statistic of the last pass under the final centroids, once known."""
        return None if self.state is None else self.state.statistic

    def ask(self) -> tuple[Pass[Any], tuple[int, ...] | None]:
        """Return the next pass and the numbers of its blocks, or None for all.

        Only for a trajectory that is not done.
        """
        question: Pass[Any]
        if self.state is not None:
            question, blocks = self.update.ask(self.state), self.update.blocks(self.state)
        else:
            assert self.seeding is not None
            question, blocks = self.seeding.ask(), self.seeding.blocks
        return question if self.features is None else OfFeatures(question, *self.features), blocks

    def tell(self, statistic: Any) -> Trajectory:
        """Return the state after a statistic.

        Raises
        ------
        LossRoseError
            If the loss rose by more than rounding.
        """
        if self.state is not None:
            return replace(self, state=self.update.tell(self.state, statistic))
        assert self.seeding is not None
        return self._seeded(self.seeding.tell(statistic))

    def _seeded(self, then: Seeding | Float64Array) -> Trajectory:
        interrupted = self.interrupted or (self.seeding if current_monitor().timed_out else None)
        if isinstance(then, Seeding):
            return replace(self, seeding=then, interrupted=interrupted)
        state = self.update.init(then)
        return replace(self, seeding=None, state=state, interrupted=interrupted)

    @property
    def working(self) -> str:
        """Description of the work in memory that has begun; empty between two steps."""
        current = self.seeding if self.state is None else self.state
        assert current is not None
        return current.working

    def advance(self) -> Trajectory | None:
        """Return the state after a step without a pass over the data, or None if it needs one."""
        if self.state is not None:
            state = self.update.advance(self.state)
            return None if state is None else replace(self, state=state)
        assert self.seeding is not None
        then = self.seeding.advance()
        return None if then is None else self._seeded(then)

    def stop(self, reason: str) -> Trajectory:
        """Return the trajectory with its iterations ended for an external reason."""
        if self.state is None or self.state.stop_reason is not None:
            return self
        interrupted = self.interrupted
        if reason == TIME_LIMIT:
            interrupted = interrupted or self.state
        state = self.update.stop(self.state, reason)
        return replace(self, state=state, interrupted=interrupted)

    def drop(self) -> Trajectory:
        """Return the trajectory as dropped: its loss is infinite, and its history is unchanged."""
        assert self.state is not None
        state = self.update.stop(self.state, DROPPED)
        return replace(self, state=replace(state, inertia=np.inf))

    def under(self, rules: StopRules) -> Trajectory:
        """Return the trajectory under other stop rules, by which it may continue or end.

        What a time limit ended is continued from before, so the limit does not affect the result.
        """
        update = replace(self.update, rules=rules)
        before = self.interrupted
        if isinstance(before, Seeding):
            return Trajectory(update, before, features=self.features)
        if before is not None:
            state = before if rules == self.update.rules else update.resume(before)
            return Trajectory(update, state=state, features=self.features)
        if rules == self.update.rules and self.stop_reason != TIME_LIMIT:
            return self
        resumed = None if self.state is None else update.resume(self.state)
        return replace(self, update=update, state=resumed)

    def on_table(self, n_rows: int) -> Trajectory:
        """Return the first state for a table of `n_rows` rows instead of the data."""
        seeding = self.seeding and self.seeding.for_table(n_rows)
        return replace(self, seeding=seeding, update=self.update.on_table())

    def scaled(self, scaling: Scaling) -> Trajectory:
        """Return the first state with the centroids, if any, scaled like the rows."""
        if self.state is None:
            return self
        return replace(self, state=self.update.init(scaling.there(self.state.centroids)))

    def reordered(self, order: Any) -> Trajectory:
        """Return the trajectory with its final clusters in another order."""
        assert self.state is not None
        return replace(self, state=self.state.reordered(order))

    @property
    def counts(self) -> Float64Array | None:
        """Weight of the rows of each final cluster (k,), once known."""
        return None if self.statistic is None else self.statistic.counts.astype(np.float64)
