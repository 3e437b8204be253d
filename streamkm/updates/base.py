"""What an update is: the rule that moves centroids from one read to the next.

An update never reads. Like the solvers of optimistix it is configuration, and its state is a
separate immutable value: `init` makes the first state of given centroids, `ask` names the pass that
is wanted next, and `tell` takes its statistic and returns the next state. Between any two calls the
state can be saved, sent or dropped.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.checkpointable import Checkpointable
from streamkm.passes import Labels, Pass, PerRow
from streamkm.rows import Room, Rows
from streamkm.seeding import Seeding, Task, method_of
from streamkm.updates.step import Step
from streamkm.updates.stopping import DROPPED, NOTHING_MOVED, TIME_LIMIT, StopRules


@dataclass(frozen=True)
class Request:
    """A read that is wanted next.

    Parameters
    ----------
    question : Pass
    blocks : distinct numbers of the blocks to read, in the order in which they are folded, or None
        for all blocks
    """

    question: Pass[Any]
    blocks: tuple[int, ...] | None = None


@dataclass(frozen=True)
class UpdateState(Checkpointable):
    """What an update knows between two reads.

    Parameters
    ----------
    centroids : ndarray of shape (k, d), float64
    history : tuple of Step, one for each iteration
    variance : mean variance of the features, in squared data units; 0 before the first iteration
    weight : sum of the weights of all rows; 0 before the first iteration
    stop_reason : name of the rule that ended the iterations, or None
    inertia : loss of the final centroids, or None until it is known
    statistic : what the last pass gathered about the final centroids, or None
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
        """What the next read is for, where it is no plain iteration; for a log."""
        return ""

    @property
    def evaluating(self) -> bool:
        """Whether only the loss of the final centroids is missing."""
        return self.stop_reason is not None and self.inertia is None


U = TypeVar("U", bound=UpdateState)


@dataclass(frozen=True)
class Update(Checkpointable, ABC, Generic[U]):
    """Rule that moves the centroids.

    A subclass is a frozen dataclass. A checkpoint holds its fields and those of its states: None,
    numbers, text, arrays, tuples, passes, statistics and other `Checkpointable` dataclasses.

    Parameters
    ----------
    rules : StopRules
    costs_reads : whether an answer costs a read of the data; a table of all distinct rows answers
        without
    """

    rules: StopRules = field(default_factory=StopRules)
    costs_reads: bool = True

    uses_table: ClassVar[bool] = True  # of all distinct rows, where there is one

    def seeding(self, method: str, task: Task) -> Seeding:
        """The seeding that gives the first centroids, before its first read."""
        return method_of(method).start(task)

    @abstractmethod
    def init(self, centroids: Float64Array) -> U:
        """The first state of given centroids (k, d)."""

    @abstractmethod
    def ask(self, state: U) -> Request:
        """The read whose statistic `tell` takes next; of a state that is not done."""

    @abstractmethod
    def tell(self, state: U, statistic: Any) -> U:
        """The state after the statistic that `ask` has requested.

        While `UpdateState.evaluating`, it also accepts the statistic of `label_pass`.

        Raises
        ------
        LossRoseError
            When a loss that cannot rise has risen by more than rounding.
        """

    @abstractmethod
    def reason(self, state: U) -> str | None:
        """Name of the first stop rule that the last iteration meets, or None."""

    def loss(self, statistic: Any, centroids: Float64Array) -> float:
        """The loss of the centroids (k, d) that a statistic was gathered about."""
        return float(statistic.inertia(centroids))

    def done(self, state: U) -> bool:
        """Whether the iterations have ended and the loss of the centroids is known."""
        return state.inertia is not None

    def advance(self, state: U) -> U | None:
        """The state after a step that needs no pass over the data, or None where one is needed."""
        return None

    def label_pass(self, centroids: Float64Array, dtype: np.dtype[Any]) -> PerRow[Any]:
        """The pass that labels every row under these centroids (k, d)."""
        return Labels(centroids, dtype)

    def on_rows(self, rows: Rows, room: Room, seed: int) -> Self:
        """This update as it is to be used on these rows, with so much room between reads.

        `seed` is an unsigned 64-bit key of the random draws of the update.
        """
        return self

    def on_table(self) -> Self:
        """This update as it is to be used on a table in memory."""
        return replace(self, costs_reads=False)

    def stop(self, state: U, reason: str) -> U:
        """The same centroids without further iterations, for a reason from outside."""
        return replace(state, stop_reason=reason)

    def restart(self, state: U) -> U:
        """The same centroids, to be iterated further."""
        return replace(state, stop_reason=None, inertia=None, statistic=None)

    def resume(self, state: U) -> U:
        """A state that was reached under other rules: it may now go on, or end."""
        if state.stop_reason == TIME_LIMIT and not state.history:
            return self.restart(state)
        if not state.history or state.stop_reason in (DROPPED, NOTHING_MOVED):
            return state
        reason = self.reason(state)
        if reason is None and state.stop_reason is not None:
            return self.restart(state)
        return replace(state, stop_reason=reason)
