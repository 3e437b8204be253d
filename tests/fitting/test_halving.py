"""Halving: most restarts need no further reads, and the best loss is hardly higher."""

from __future__ import annotations

import numpy as np
import pytest

from streamkm import KMeans
from streamkm.fitting import first_state, fit
from streamkm.reasons import DROPPED
from streamkm.rows import open_rows
from streamkm.updates import AcceleratedUpdate, StopRules
from tests.conftest import mixture

pytestmark = pytest.mark.usefixtures("no_table")

X = mixture(8000, 3, 20)


def states(halving, seeds=range(16)):
    rows = open_rows(X)
    rules = StopRules(tol=0)
    return list(
        fit(rows, first_state(rows, 20, "random", seeds, AcceleratedUpdate(rules), halving=halving))
    )


def test_half_are_dropped_after_two_steps_and_half_again_after_four():
    alive = {}
    for state in states(True):
        running = [t for t in state.trajectories if t.stop_reason != DROPPED]
        alive[max((len(t.history) for t in running), default=0)] = len(running)
    assert [alive[n] for n in (1, 2, 4, 8)] == [16, 8, 4, 2]


def test_survivors_are_what_they_are_without_halving():
    halved, every = states(True)[-1], states(False)[-1]
    kept = [
        (a, b)
        for a, b in zip(halved.trajectories, every.trajectories, strict=True)
        if a.stop_reason != DROPPED
    ]
    assert kept
    for a, b in kept:
        assert a.centroids.tobytes() == b.centroids.tobytes()
        assert a.inertia == b.inertia
    assert halved.best.inertia <= np.median([t.inertia for t in every.trajectories])


def test_a_dropped_restart_is_never_the_best():
    for state in states(True):
        assert state.best.stop_reason != DROPPED


def test_it_is_asked_for_by_name():
    options = {"init": "random", "n_init": 8, "random_state": 0}
    halved = KMeans(20, restarts="halving", **options).fit(X)
    every = KMeans(20, **options).fit(X)
    assert every.inertia_ <= halved.inertia_ <= 1.2 * every.inertia_
    with pytest.raises(ValueError, match="restarts='some'; use 'all' or 'halving'"):
        KMeans(restarts="some").fit(X)
