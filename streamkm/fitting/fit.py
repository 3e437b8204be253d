"""The driver: one read for all trajectories that still want one, state after state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.engine import WAVE, map_reduce
from streamkm.errors import DataError
from streamkm.fitting.stopping import StopRules
from streamkm.fitting.trajectory import Trajectory
from streamkm.passes import Census, Product
from streamkm.rows import BlockPlan, Rows
from streamkm.seeding import begin


@dataclass(frozen=True)
class FitState:
    """A whole fit between two reads.

    Parameters
    ----------
    plan : BlockPlan, which rows form which block; the bits of the result hang on it
    trajectories : one a restart
    n_passes : reads of the data so far
    bytes_read : decoded bytes of those reads
    """

    plan: BlockPlan
    trajectories: tuple[Trajectory, ...]
    n_passes: int = 0
    bytes_read: int = 0

    @property
    def done(self) -> bool:
        return all(t.done for t in self.trajectories)

    @property
    def best(self) -> Trajectory:
        """The trajectory of the lowest loss; of equal ones the first."""
        losses = [np.inf if t.inertia is None else t.inertia for t in self.trajectories]
        return self.trajectories[int(np.argmin(losses))]

    @property
    def can_stop(self) -> bool:
        """Whether every trajectory has centroids to stop at."""
        return all(t.seeding is None for t in self.trajectories)

    def stopped(self, reason: str) -> FitState:
        return replace(self, trajectories=tuple(t.stopped(reason) for t in self.trajectories))

    def told(self, statistics: Sequence[Any], nbytes: int) -> FitState:
        """The state after a read that answered every trajectory that was not done."""
        answers = iter(statistics)
        return replace(
            self,
            trajectories=tuple(t if t.done else t.tell(next(answers)) for t in self.trajectories),
            n_passes=self.n_passes + 1,
            bytes_read=self.bytes_read + nbytes,
        )


def begin_fit(
    rows: Rows,
    n_clusters: int,
    init: str | npt.NDArray[np.float64],
    seeds: Sequence[int],
    rules: StopRules | None = None,
    relocate: bool = True,
) -> FitState:
    """The first state: nothing read yet.

    Parameters
    ----------
    rows : Rows
    n_clusters : k
    init : name of a seeding method, or centroids (k, d)
    seeds : one a restart
    rules : StopRules
    relocate : whether empty clusters move to the farthest rows

    Raises
    ------
    DataError
        When there are fewer rows than clusters, or the centroids do not fit the data.
    """
    n_rows, n_features = rows.layout.n_rows, rows.layout.n_features
    if n_rows < n_clusters:
        raise DataError(f"n_samples={n_rows} should be >= n_clusters={n_clusters}.")
    rules = rules or StopRules()
    if isinstance(init, str):
        trajectories = [Trajectory(rules, relocate, begin(init, n_clusters, s)) for s in seeds]
    else:
        if init.shape != (n_clusters, n_features):
            raise DataError(
                f"The shape of the initial centers {init.shape} does not match the number of "
                f"clusters {n_clusters} and of features {n_features}."
            )
        if not np.isfinite(init).all():
            raise DataError("the initial centers contain NaN or infinity.")
        centroids = np.array(init, dtype=np.float64)
        trajectories = [Trajectory(rules, relocate, centroids=centroids)]
    opening = rows.opening_reads
    return FitState(rows.plan, tuple(trajectories), opening, opening * rows.layout.nbytes)


def fit(
    rows: Rows, state: FitState, wave: int = WAVE, keep_evaluation: bool = False
) -> Iterator[FitState]:
    """Advance a fit, a read and a state at a time, until it is done.

    Whoever consumes the states may save them, show them, or stop asking: calling `fit` again with
    any of them goes on as if nothing had happened.

    Parameters
    ----------
    rows : Rows, in the plan of the state
    state : FitState
    wave : blocks of one graph
    keep_evaluation : stop short of the last read when all it would give is the loss of a
        single trajectory's final centroids, which labelling gives as well

    Yields
    ------
    FitState
    """
    checked = state.n_passes > rows.opening_reads
    while not state.done:
        asking = [t for t in state.trajectories if not t.done]
        if keep_evaluation and len(state.trajectories) == 1 and asking[0].evaluating:
            return
        passes = [t.ask() for t in asking]
        if checked:
            answers = list(map_reduce(Product(tuple(passes)), rows, wave).parts)
        else:
            census, *answers = map_reduce(Product((Census(), *passes)), rows, wave).parts
            census.check()
            checked = True
        state = state.told(answers, rows.layout.nbytes)
        yield state
