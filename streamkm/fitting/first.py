"""First states of fits and sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.errors import DataError
from streamkm.fitting.reads import Reads
from streamkm.fitting.state import FitState
from streamkm.fitting.trajectory import Trajectory
from streamkm.passes import Pass
from streamkm.rows import Budget, Room, Rows
from streamkm.seeding import Task
from streamkm.updates import AcceleratedUpdate, LloydUpdate, ScatterUpdate, StopRules, Update


def first_state(
    rows: Rows,
    n_clusters: int,
    init: str | Float64Array | Sequence[Float64Array],
    seeds: Sequence[int],
    update: Update[Any] | None = None,
    room: Room | None = None,
    halving: bool = False,
) -> FitState:
    """Return the first state of a fit, without reading data.

    Parameters
    ----------
    rows : Rows
    n_clusters : k
    init : name of a seeding method, or centroids (k, d), or those of each restart
    seeds : one for each restart
    update : Update, the rule that moves the centroids; by default `AcceleratedUpdate()`
    room : Room, what may stay in memory; by default what fits without a memory limit
    halving : whether restarts of high loss are dropped; they are compared after equal numbers of
        steps, so no read caches rows

    Raises
    ------
    DataError
        If there are fewer rows than clusters, or the centroids do not match the data.
    """
    n_rows, n_features = rows.layout.n_rows, rows.layout.n_features
    check_enough(n_rows, n_clusters)
    room = room or Budget(fits=True, summaries=len(seeds)).room(rows.layout)
    update = update or AcceleratedUpdate()
    update = replace(update, rules=update.rules.after(init, n_clusters))
    if not update.uses_table:
        room = replace(room, table=0)
    update = update.on_rows(
        rows, replace(room, sample=0) if halving else room, seeds[0] if seeds else 0
    )
    if isinstance(init, str):
        tasks = [Task(n_clusters, seed, n_rows, room.sample) for seed in seeds]
        trajectories = [Trajectory(update, update.seeding(init, task)) for task in tasks]
    else:
        given = [init] if isinstance(init, np.ndarray) else init
        for centroids in given:
            check_centroids(centroids, n_clusters, n_features)
        states = [update.init(np.array(centroids, dtype=np.float64)) for centroids in given]
        trajectories = [Trajectory(update, state=state) for state in states]
    reads = Reads(rows.layout.nbytes, opening=rows.opening_reads)
    scaling = rows.layout.scaling
    return FitState(rows.plan, tuple(trajectories), room, reads, halving, scaling=scaling)


def first_sweep_state(
    rows: Rows,
    n_clusters: Sequence[int],
    inits: Sequence[str],
    seeds: Sequence[int],
    rules: StopRules | None = None,
    room: Room | None = None,
    extra_passes: Sequence[Pass[Any]] = (),
) -> FitState:
    """Return the first state of fits of every k with every restart, which share their reads.

    Parameters
    ----------
    rows, room : as for `first_state`
    n_clusters : the values of k
    inits, seeds : the seeding method and seed of each restart
    rules : StopRules
    extra_passes : further passes for the first read; `FitState.extra_statistics` holds their
        statistics

    Raises
    ------
    DataError
        If there are fewer rows than clusters.
    """
    check_enough(rows.layout.n_rows, max(n_clusters))
    update = ScatterUpdate(rules or StopRules())
    states = [
        first_state(rows, k, init, [seed], update, room)
        for k in n_clusters
        for init, seed in zip(inits, seeds, strict=True)
    ]
    trajectories = tuple(t for state in states for t in state.trajectories)
    return replace(states[0], trajectories=trajectories, extra_passes=tuple(extra_passes))


def first_subspaces_state(
    rows: Rows,
    n_subspaces: int,
    n_clusters: int,
    init: str,
    seed: int,
    rules: StopRules,
    room: Room,
) -> FitState:
    """Return the first state of a fit of each part of the features, which share their reads.

    Parameters
    ----------
    rows : Rows
    n_subspaces : number of parts, of the same number of features each
    n_clusters, init, room : as for `first_state`
    seed : the parts use the same random draws, of their own features
    rules : StopRules

    Raises
    ------
    DataError
        If there are fewer rows than clusters.
    """
    size = rows.layout.n_features // n_subspaces
    state = first_state(rows, n_clusters, init, [seed], LloydUpdate(rules), room)
    (first,) = state.trajectories
    parts = [(part * size, (part + 1) * size) for part in range(n_subspaces)]
    return replace(state, trajectories=tuple(replace(first, features=part) for part in parts))


def check_enough(n_rows: int, n_clusters: int) -> None:
    """Refuse fewer rows than clusters.

    Raises
    ------
    DataError
    """
    if n_rows < n_clusters:
        raise DataError(
            python=f"n_samples={n_rows} should be >= n_clusters={n_clusters}.",
            command=f"there are {n_rows:,} rows, fewer than the {n_clusters:,} clusters of -k.",
        )


def check_centroids(centroids: Float64Array, n_clusters: int, n_features: int) -> None:
    """Refuse initial centroids that are not finite or not of shape (n_clusters, n_features).

    Raises
    ------
    DataError
    """
    wrong = f"The shape of the initial centers {centroids.shape} does not match the number of "
    if centroids.ndim != 2 or len(centroids) != n_clusters:
        raise DataError(f"{wrong}clusters {n_clusters}.")
    if centroids.shape[1] != n_features:
        raise DataError(f"{wrong}features of the data {n_features}.")
    if not np.isfinite(centroids).all():
        raise DataError("the initial centers contain NaN or infinity.")
