"""First states: of a fit, and of a sweep of fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.errors import DataError
from streamkm.fitting.reads import Reads
from streamkm.fitting.state import FitState
from streamkm.fitting.stopping import StopRules
from streamkm.fitting.trajectory import Trajectory
from streamkm.passes import Lloyd, Pass, Scatter
from streamkm.rows import Budget, Room, Rows
from streamkm.seeding import Task, method_of

# Fewer rows than this part of them save few reads [docs/reads.md].
_LEAST_SHARE = 0.01
ALGORITHMS = ("auto", "lloyd")


def begin_fit(
    rows: Rows,
    n_clusters: int,
    init: str | Float64Array | Sequence[Float64Array],
    seeds: Sequence[int],
    rules: StopRules | None = None,
    relocate: bool = True,
    room: Room | None = None,
    halving: bool = False,
    algorithm: str = "auto",
    step: type[Lloyd] = Lloyd,
) -> FitState:
    """The first state: nothing read yet.

    Parameters
    ----------
    rows : Rows
    n_clusters : k
    init : name of a seeding method, or centroids (k, d), or those of each restart
    seeds : one a restart
    rules : StopRules
    relocate : whether empty clusters move to the farthest rows
    room : Room, what may be kept in memory; by default what fits without a memory limit
    halving : whether hopeless restarts are dropped
    algorithm : 'lloyd', or 'auto', which needs fewer reads
    step : the pass of an iteration; only after Lloyd's own are rows kept

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
        seedings = [method_of(init).start(task) for task in tasks]
        trajectories = [Trajectory(rules, relocate, step, seeding=seeding) for seeding in seedings]
    else:
        given = [init] if isinstance(init, np.ndarray) else init
        for centroids in given:
            _check_centroids(centroids, n_clusters, n_features)
        copies = [step.admissible(np.array(each, dtype=np.float64)) for each in given]
        trajectories = [Trajectory(rules, relocate, step, centroids=copy) for copy in copies]
    keeps = 0 if halving or n_clusters == 1 or step is not Lloyd else _worth_keeping(rows, room)
    kept = tuple(replace(t, keeps=keeps, settles=algorithm == "auto") for t in trajectories)
    reads = Reads(rows.layout.nbytes, opening=rows.opening_reads)
    return FitState(rows.plan, kept, room, reads, halving, scaling=rows.layout.scaling)


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


def _check_centroids(centroids: Float64Array, n_clusters: int, n_features: int) -> None:
    wrong = f"The shape of the initial centers {centroids.shape} does not match the number of "
    if centroids.ndim != 2 or len(centroids) != n_clusters:
        raise DataError(f"{wrong}clusters {n_clusters}.")
    if centroids.shape[1] != n_features:
        raise DataError(f"{wrong}features of the data {n_features}.")
    if not np.isfinite(centroids).all():
        raise DataError("the initial centers contain NaN or infinity.")
