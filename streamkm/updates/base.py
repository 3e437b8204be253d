"""The protocol of updates, the rules that move centroids from one read to the next.

An update never reads. Like a solver of optimistix, it is configuration, and its state is a separate
immutable value: `init` creates the first state from given centroids, `ask` returns the next pass,
and `tell` takes its statistic and returns the next state. Between two calls the state can be saved,
sent or dropped.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import numpy.typing as npt

from streamkm.arrays import Float64Array
from streamkm.checkpointable import Checkpointable
from streamkm.passes import Labels, Pass, PerRow
from streamkm.reasons import DROPPED, NOTHING_MOVED, TIME_LIMIT
from streamkm.rows import Room, Rows
from streamkm.seeding import Seeding, Task, method_of
from streamkm.updates.step import Step
from streamkm.updates.stopping import StopRules


@dataclass(frozen=True)
class UpdateState(Checkpointable):
    """State of an update between two reads.

    Parameters
    ----------
    centroids : ndarray of shape (k, d), float64
    history : tuple of Step, one for each iteration
    variance : mean variance of the features, in squared data units; 0 before the first iteration
    weight : sum of the weights of all rows; 0 before the first iteration
    stop_reason : name of the rule that ended the iterations, or None
    inertia : loss of the final centroids, or None until it is known
    statistic : statistic of the last pass under the final centroids, with `counts` (k,), `weight`
        and `reordered` like `Assigned`, or None
    """

    centroids: Float64Array
    history: tuple[Step, ...] = ()
    variance: float = 0.0
    weight: float = 0.0
    stop_reason: str | None = None
    inertia: float | None = None
    statistic: Any = None

    @property
    def note(self) -> str:
        """Purpose of the next read for a log; empty for a plain iteration."""
        return ""

    @property
    def working(self) -> str:
        """Description of steps in memory that have begun; empty between two iterations."""
        return ""

    @property
    def evaluating(self) -> bool:
        """Whether only the loss of the final centroids is missing."""
        return self.stop_reason is not None and self.inertia is None

    def reordered(self, order: npt.NDArray[np.intp]) -> Self:
        """Return the final state with its clusters in another order."""
        statistic = None if self.statistic is None else self.statistic.reordered(order)
        return replace(self, centroids=self.centroids[order], statistic=statistic)


U = TypeVar("U", bound=UpdateState)


@dataclass(frozen=True)
class Update(Checkpointable, ABC, Generic[U]):
    """Rule that moves the centroids between reads.

    A subclass is a frozen dataclass. A checkpoint holds its fields and those of its states: None,
    numbers, text, arrays, tuples, passes, statistics and other `Checkpointable` dataclasses.

    Parameters
    ----------
    rules : StopRules
    costs_reads : whether a pass needs a read of the data; False with a table of all distinct rows
    """

    rules: StopRules = field(default_factory=StopRules)
    costs_reads: bool = True

    uses_table: ClassVar[bool] = True  # whether a table of distinct rows may replace the data

    def seeding(self, method: str, task: Task) -> Seeding:
        """Return the seeding of the first centroids, before its first read."""
        return method_of(method).start(task)

    @abstractmethod
    def init(self, centroids: Float64Array) -> U:
        """Return the first state from given centroids (k, d)."""

    @abstractmethod
    def ask(self, state: U) -> Pass[Any]:
        """Return the next pass; only for a state that is not done."""

    def blocks(self, state: U) -> tuple[int, ...] | None:
        """Return the distinct numbers of the blocks of the next pass, in order, or None for all."""
        return None

    @abstractmethod
    def tell(self, state: U, statistic: Any) -> U:
        """Return the state after the statistic that `ask` requested.

        While `UpdateState.evaluating`, it also accepts the statistic of `label_pass`.

        Raises
        ------
        LossRoseError
            If a loss that cannot rise has risen by more than rounding.
        """

    @abstractmethod
    def reason(self, state: U) -> str | None:
        """Name of the first stop rule that the last iteration meets, or None."""

    def loss(self, statistic: Any, centroids: Float64Array) -> float:
        """Return the loss of the centroids (k, d) under which a statistic was computed."""
        return float(statistic.inertia(centroids))

    def done(self, state: U) -> bool:
        """Whether the iterations have ended and the loss of the centroids is known."""
        return state.inertia is not None

    def advance(self, state: U) -> U | None:
        """Return the state after a step without a pass over the data, or None if it needs one."""
        return None

    def label_pass(self, centroids: Float64Array, dtype: np.dtype[Any]) -> PerRow[Any]:
        """Return the pass that labels every row under these centroids (k, d)."""
        return Labels(centroids, dtype)

    def labels(self, state: U, dtype: np.dtype[Any]) -> PerRow[Any]:
        """Return the pass that labels every row under a state that is done."""
        return self.label_pass(state.centroids, dtype)

    def on_rows(self, rows: Rows, room: Room, seed: int) -> Self:
        """Return the update for these rows and for the memory that is available between reads.

        `seed` is an unsigned 64-bit key of the random draws of the update.
        """
        return self

    def on_table(self) -> Self:
        """Return the update for a table in memory."""
        return replace(self, costs_reads=False)

    def stop(self, state: U, reason: str) -> U:
        """Return the state with the iterations ended for an external reason."""
        return replace(state, stop_reason=reason)

    def restart(self, state: U) -> U:
        """Return the state with the same centroids and further iterations."""
        return replace(state, stop_reason=None, inertia=None, statistic=None)

    def resume(self, state: U) -> U:
        """Return a state that was reached under other rules; it may now continue or end."""
        if state.stop_reason == TIME_LIMIT and not state.history:
            return self.restart(state)
        if not state.history or state.stop_reason in (DROPPED, NOTHING_MOVED):
            return state
        reason = self.reason(state)
        if reason is None and state.stop_reason is not None:
            return self.restart(state)
        return replace(state, stop_reason=reason)
