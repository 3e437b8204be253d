"""The driver: one read for all trajectories that still want one, state after state."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.engine import Folded, folding, wave_size
from streamkm.errors import DataError
from streamkm.fitting.halving import halved
from streamkm.fitting.reads import Reads
from streamkm.fitting.stopping import DROPPED, StopRules
from streamkm.fitting.trajectory import Trajectory
from streamkm.passes import Census, Distinct, Pass, Product, Scatter, Table
from streamkm.rows import BlockPlan, Budget, Room, Rows, rows_in_memory
from streamkm.seeding import Task, begin

# Fewer rows than this part of them save few reads [docs/reads.md].
_LEAST_SHARE = 0.01
ALGORITHMS = ("auto", "lloyd")


@dataclass(frozen=True)
class FitState:
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


def begin_fit(
    rows: Rows,
    n_clusters: int,
    init: str | npt.NDArray[np.float64],
    seeds: Sequence[int],
    rules: StopRules | None = None,
    relocate: bool = True,
    room: Room | None = None,
    halving: bool = False,
    algorithm: str = "auto",
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
    room : Room, what may be kept in memory; by default what fits without a memory limit
    halving : whether hopeless restarts are dropped
    algorithm : 'lloyd', or 'auto', which needs fewer reads

    Raises
    ------
    DataError
        When there are fewer rows than clusters, or the centroids do not fit the data.
    """
    n_rows, n_features = rows.layout.n_rows, rows.layout.n_features
    _check_enough(n_rows, n_clusters)
    rules = (rules or StopRules()).after(init)
    room = room or Budget(fits=True, summaries=len(seeds)).room(rows.layout)
    if isinstance(init, str):
        tasks = [Task(n_clusters, seed, n_rows, room.sample) for seed in seeds]
        trajectories = [Trajectory(rules, relocate, seeding=begin(init, task)) for task in tasks]
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
    keeps = 0 if halving or n_clusters == 1 else _worth_keeping(rows, room)
    kept = tuple(replace(t, keeps=keeps, settles=algorithm == "auto") for t in trajectories)
    reads = Reads(rows.layout.nbytes, opening=rows.opening_reads)
    return FitState(rows.plan, kept, room, reads, halving)


def _worth_keeping(rows: Rows, room: Room) -> int:
    """Rows to keep at a read; none where reading costs nothing, or too few to be of use."""
    useful = not rows.in_memory and room.sample >= _LEAST_SHARE * rows.layout.n_rows
    return room.sample if useful else 0


def begin_sweep(
    rows: Rows,
    n_clusters: Sequence[int],
    inits: Sequence[str],
    seeds: Sequence[int],
    rules: StopRules | None = None,
    room: Room | None = None,
    riders: Sequence[Pass[Any]] = (),
) -> FitState:
    """The first state of a fit of every k with every restart, k after k; all share each read.

    Parameters
    ----------
    rows, rules, room : as for `begin_fit`
    n_clusters : the values of k
    inits, seeds : the seeding method and seed of each restart
    riders : further passes for the first read; their statistics are `FitState.answers`

    Raises
    ------
    DataError
        When there are fewer rows than clusters.
    """
    _check_enough(rows.layout.n_rows, max(n_clusters))
    states = [
        begin_fit(rows, k, init, [seed], rules, room=room)
        for k in n_clusters
        for init, seed in zip(inits, seeds, strict=True)
    ]
    trajectories = tuple(
        replace(t, step=Scatter, keeps=0) for state in states for t in state.trajectories
    )
    return replace(states[0], trajectories=trajectories, riders=tuple(riders))


def _check_enough(n_rows: int, n_clusters: int) -> None:
    if n_rows < n_clusters:
        raise DataError(f"n_samples={n_rows} should be >= n_clusters={n_clusters}.")


def fit(
    rows: Rows, state: FitState, wave: int | None = None, keep_evaluation: bool = False
) -> Generator[FitState]:
    """Advance a fit, a wave of blocks and a state at a time, until it is done.

    Whoever consumes the states may save them, show them, or stop asking: calling `fit` again with
    any of them goes on as if nothing had happened. Between reads `FitState.folded` is None.

    Parameters
    ----------
    rows : Rows, in the plan of the state
    state : FitState
    wave : blocks of one graph; by default as many as keep the cores busy
    keep_evaluation : stop short of the last read when all it would give is the loss of a
        single trajectory's final centroids, which labelling gives as well

    Yields
    ------
    FitState
    """
    source = rows if state.table is None else _in_memory(state.table)
    while not state.done:
        if state.can_advance:
            state = state.advance()
            yield state
            continue
        asking = [t for t in state.trajectories if not t.done]
        alone = len(state.trajectories) == 1 and asking[0].evaluating
        if keep_evaluation and alone and state.table is None:
            return
        first = state.n_passes == state.reads.opening
        passes = [t.ask() for t in asking]
        if first:
            passes = [Census(), Distinct(state.room.table), *state.riders, *passes]
        question = Product(tuple(passes))
        for folded in folding(question, source, wave or wave_size(), state.folded):
            state = replace(state, folded=folded, in_memory=False)
            if folded.n_blocks < source.plan.n_blocks:
                yield state
        assert state.folded is not None
        answers = list(state.folded.total().parts)
        state = replace(state, folded=None)
        if not first:
            in_memory = state.table is not None or rows.kept
            state = state.told(answers, in_memory)
            yield state
            continue
        census, table, *answers = answers
        census.check()
        state = replace(state, answers=tuple(answers[: len(state.riders)]))
        del answers[: len(state.riders)]
        if table.complete:  # begin again with it, so that nothing hangs on how the rows were stored
            free = tuple(t.with_table(len(table.weights)) for t in state.trajectories)
            reads = state.reads.one_more(state.phase)
            state = replace(state, reads=reads, table=table, trajectories=free, in_memory=True)
            source = _in_memory(table)
        else:
            state = state.told(answers)
        yield state


def _in_memory(table: Table) -> Rows:
    return rows_in_memory(table.values, table.weights)
