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
    interrupted : the seeding before the search that a time limit ended, or None
    features : the first feature and the end of the features that it clusters, or None for all
    """

    update: Update[Any]
    seeding: Seeding | None = None
    state: UpdateState | None = None
    interrupted: Seeding | None = None
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
        then = self.seeding.tell(statistic)
        interrupted = self.interrupted or (self.seeding if current_monitor().timed_out else None)
        if isinstance(then, Seeding):
            return replace(self, seeding=then, interrupted=interrupted)
        state = self.update.init(then)
        return replace(self, seeding=None, state=state, interrupted=interrupted)

    def advance(self) -> Trajectory | None:
        """Return the state after a step without a pass over the data, or None if it needs one."""
        state = None if self.state is None else self.update.advance(self.state)
        return None if state is None else replace(self, state=state)

    def stop(self, reason: str) -> Trajectory:
        """Return the trajectory with its iterations ended for an external reason."""
        if self.state is None or self.state.stop_reason is not None:
            return self
        return replace(self, state=self.update.stop(self.state, reason))

    def drop(self) -> Trajectory:
        """Return the trajectory as dropped: its loss is infinite, and its history is unchanged."""
        assert self.state is not None
        state = self.update.stop(self.state, DROPPED)
        return replace(self, state=replace(state, inertia=np.inf))

    def under(self, rules: StopRules) -> Trajectory:
        """Return the trajectory under other stop rules, by which it may continue or end.

        A seeding search that a time limit ended is repeated, so the limit does not affect the
        result.
        """
        update = replace(self.update, rules=rules)
        if self.interrupted is not None:
            return Trajectory(update, self.interrupted, features=self.features)
        if rules == self.update.rules and self.stop_reason != TIME_LIMIT:
            return self
        state = None if self.state is None else update.resume(self.state)
        return replace(self, update=update, state=state)

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
