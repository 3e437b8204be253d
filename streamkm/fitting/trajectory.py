"""One restart, from its first draw to its last centroids, as an immutable state.

A trajectory never reads. `ask` names the pass it wants next, `tell` takes the statistic and gives
the next state; between the two it can be saved, sent or dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.checkpointable import Checkpointable
from streamkm.errors import LossRoseError
from streamkm.fitting.kept import Kept
from streamkm.fitting.relocating import with_relocated
from streamkm.fitting.step import Step
from streamkm.fitting.stopping import DROPPED, NOTHING_MOVED, TIME_LIMIT, StopRules
from streamkm.in_memory.monitor import current_monitor
from streamkm.passes import (
    Assigned,
    Boundary,
    DrawFarthest,
    KeepBoundary,
    Lloyd,
    Pass,
    TopRows,
)
from streamkm.rows import Scaling
from streamkm.seeding import Seeding

_RISE = 1e-9
# What settling must gain, beside the step before it, for the next read to keep rows again.
_USEFUL = 0.02
_DIGITS = 1e-3  # so much of a loss leaves 12 of its 15 digits


@dataclass(frozen=True)
class Trajectory(Checkpointable):
    """State of one restart.

    Parameters
    ----------
    rules : StopRules
    relocate : whether empty clusters move to the farthest rows, or stay where they are
    step : the pass of an iteration, `Lloyd` or one that gathers more
    seeding : Seeding while it runs, then None
    centroids : ndarray of shape (k, d), float64
    history : tuple of Step
    variance : mean variance of the features, known from the first iteration on
    waiting : the statistic of an iteration whose empty clusters still wait for far rows
    stop_reason : the rule that ended the iterations
    inertia : of `centroids`, once known
    gathered : the statistic of the final centroids
    keeps : rows that may be kept at a read, so that further steps need none
    settles : whether they are also used when that is no longer exact, as `Kept.settled` does
    kept : Kept of the last read, while it is of use
    began : iterations before that read
    resting : reads to go before rows are kept again, because it was of no use
    rest : how many those were at the start
    reads : whether an answer costs a read
    hurried : the seeding, as it was before a time limit ended its search
    """

    rules: StopRules
    relocate: bool = True
    step: type[Lloyd] = Lloyd
    seeding: Seeding | None = None
    centroids: Float64Array | None = None
    history: tuple[Step, ...] = ()
    variance: float = 0.0
    weight: float = 0.0
    waiting: Assigned | None = None
    stop_reason: str | None = None
    inertia: float | None = None
    gathered: Assigned | None = None
    keeps: int = 0
    settles: bool = False
    kept: Kept | None = None
    began: int = 0
    resting: int = 0
    rest: int = 0
    reads: bool = True
    hurried: Seeding | None = None

    @property
    def done(self) -> bool:
        return self.inertia is not None

    @property
    def evaluating(self) -> bool:
        """Whether all that is missing is the loss of the final centroids."""
        return self.stop_reason is not None and not self.done

    def ask(self) -> Pass[Any]:
        """The pass whose statistic is wanted next."""
        if self.seeding is not None:
            return self.seeding.ask()
        assert self.centroids is not None
        if self.waiting is not None:
            empty = int(np.count_nonzero(self.waiting.counts == 0))
            return DrawFarthest(empty, self.centroids)
        if self.keeps and not self.resting and not self.evaluating:
            return KeepBoundary(self.centroids, self.keeps)
        return self.step(self.centroids)

    @property
    def can_advance(self) -> bool:
        """Whether what the last read has left gives the next step."""
        return self.kept is not None and self.waiting is None and not self.done

    def advance(self) -> Trajectory:
        """The next state, without a read."""
        assert self.kept is not None
        assert self.centroids is not None
        statistic = self.kept.statistic(self.centroids)
        # It is what remains of the read's loss when the moves are taken off, and no more exact.
        least = _DIGITS * self.history[self.began].inertia
        if statistic.sums.dtype.kind == "f" and statistic.inertia(self.centroids) <= least:
            return replace(self, kept=None)
        return self._step(statistic, read=False)._while_it_holds()

    def _while_it_holds(self) -> Trajectory:
        """This state, or where what is kept is no longer sure, the last that it is good for."""
        if not self.can_advance:
            return self
        assert self.kept is not None
        assert self.centroids is not None
        if self.kept.holds(self.centroids):
            return self
        told, last = replace(self, kept=None), self.history[-1]
        useful = len(self.history) - self.began > 1
        if self.settles and self.stop_reason is None and not last.relocated:
            settled, losses = self.kept.settled(self.centroids, self.rules.tol * self.variance)
            useful |= losses[0] - losses[-1] > _USEFUL * (last.inertia - losses[0])
            told = replace(told, centroids=settled)
        rest = 0 if useful else 2 * self.rest + 1
        return replace(told, resting=rest, rest=rest)

    def tell(self, statistic: Any) -> Trajectory:
        """The next state.

        Raises
        ------
        LossRoseError
            When the loss rose by more than rounding; it carries this state.
        """
        if self.seeding is not None:
            then = self.seeding.tell(statistic)
            hurried = self.hurried or (self.seeding if current_monitor().timed_out else None)
            if isinstance(then, Seeding):
                return replace(self, seeding=then, hurried=hurried)
            centroids = self.step.admissible(then)
            return replace(self, seeding=None, centroids=centroids, hurried=hurried)
        assert self.centroids is not None
        if self.waiting is not None:
            return self._moved(self.waiting, statistic, self.reads)._while_it_holds()
        if isinstance(statistic, Boundary):
            kept = Kept.of(self.centroids, statistic)
            told = replace(self, kept=kept, began=len(self.history))
            told = told._step(kept.statistic(self.centroids), self.reads)
            return told._while_it_holds()
        return replace(self._step(statistic, self.reads), resting=max(0, self.resting - 1))

    def _step(self, statistic: Assigned, read: bool) -> Trajectory:
        assert self.centroids is not None
        inertia = statistic.inertia(self.centroids)
        self._watch(inertia)
        if self.evaluating:
            return replace(self, inertia=inertia, gathered=statistic, kept=None)
        if not self.history:
            variance = statistic.variance(self.centroids)
            told = replace(self, variance=variance, weight=statistic.weight)
        else:
            told = self
        if self.relocate and inertia > 0 and np.any(statistic.counts == 0):
            return replace(told, waiting=statistic)
        return told._moved(statistic, None, read)

    def stopped(self, reason: str) -> Trajectory:
        """The same centroids with no further iterations, for a reason from outside."""
        if self.seeding is not None or self.stop_reason is not None:
            return self
        kept = self.kept if self.waiting is None else None  # of that read no step has come
        return replace(self, waiting=None, stop_reason=reason, kept=kept)

    def dropped(self) -> Trajectory:
        """Given up: it keeps its history, but no loss that could be the lowest."""
        return replace(self, waiting=None, stop_reason=DROPPED, inertia=np.inf, kept=None)

    def under(self, rules: StopRules) -> Trajectory:
        """Under other rules, by which it may go on where it had ended, or end.

        A seeding whose search a time limit ended is done again, so that the limit leaves no trace.
        """
        if self.hurried is not None:
            return self._reseeded(rules)
        told = replace(self, rules=rules)
        if rules == self.rules and self.stop_reason != TIME_LIMIT:
            return self
        if self.stop_reason == TIME_LIMIT and not self.history:
            return replace(told, stop_reason=None, inertia=None, gathered=None)
        if not self.history or self.stop_reason in (DROPPED, NOTHING_MOVED) or self.waiting:
            return told
        compared = self._compared(self.history)
        reason = rules.reason(self.history, self.variance, self.weight, compared)
        if reason is None and self.stop_reason is not None:
            return replace(told, stop_reason=None, inertia=None, gathered=None, kept=None)
        return replace(told, stop_reason=reason)

    def _reseeded(self, rules: StopRules) -> Trajectory:
        """As it was before the search that a time limit ended."""
        return Trajectory(
            rules,
            self.relocate,
            self.step,
            seeding=self.hurried,
            keeps=self.keeps,
            settles=self.settles,
            reads=self.reads,
        )

    def with_table(self, n_rows: int) -> Trajectory:
        """At its beginning, now that a table of so many rows is asked, at no reads."""
        seeding = self.seeding and self.seeding.for_table(n_rows)
        return replace(self, seeding=seeding, keeps=0, reads=False)

    def among(self, scaling: Scaling) -> Trajectory:
        """At its beginning, with its centroids, if any, among rows that are scaled now."""
        if self.centroids is None:
            return self
        return replace(self, centroids=scaling.there(self.centroids))

    def _watch(self, inertia: float) -> None:
        if not np.isfinite(inertia):
            raise LossRoseError(self.history[-1].inertia if self.history else np.nan, inertia, self)
        if self.history and not self.history[-1].relocated:
            before = self.history[-1].inertia
            if inertia > before * (1 + _RISE) + self._rounding(before):
                raise LossRoseError(before, inertia, self)

    def _rounding(self, inertia: float) -> float:
        """How much loss the rounding of the centroids alone may add.

        A centroid is off by up to u in each feature, which changes J by the square of that over
        all rows, and by its product with the rows' distances (Cauchy-Schwarz).
        """
        assert self.centroids is not None
        u = 8 * np.finfo(np.float64).eps * float(np.abs(self.centroids).max())
        spread = self.weight * self.centroids.shape[1]
        return float(spread * u * u + 2 * np.sqrt(inertia * spread) * u)

    def _moved(self, assigned: Assigned, far: TopRows | None, read: bool) -> Trajectory:
        assert self.centroids is not None
        empty = np.flatnonzero(assigned.counts == 0)
        centroids, relocated = assigned.means(otherwise=self.centroids), 0
        if far is not None:
            centroids, relocated = with_relocated(self.centroids, assigned, far)
        moves = centroids - self.centroids
        step = Step(
            assigned.inertia(self.centroids),
            float(np.einsum("kd,kd->", moves, moves)),
            len(empty),
            relocated,
            read,
        )
        history = (*self.history, step)
        reason = self.rules.reason(history, self.variance, self.weight, self._compared(history))
        return replace(
            self,
            centroids=centroids,
            history=history,
            waiting=None,
            stop_reason=reason,
            inertia=step.inertia if reason == NOTHING_MOVED else None,
            gathered=assigned if reason == NOTHING_MOVED else None,
            kept=None if reason == NOTHING_MOVED else self.kept,
        )

    def _compared(self, history: Sequence[Step]) -> Step | None:
        """The step beside which the last must be worth a read.

        Of Lloyd's steps the one before, as if each had cost one, so that what was kept does not
        matter to the result; where the kept rows settle, the read before.
        """
        if not self.reads:
            return None
        if not self.settles:
            return history[-2] if len(history) > 1 else None
        reads = (step for step in reversed(history[:-1]) if step.read)
        return next(reads, None) if history[-1].read else None
