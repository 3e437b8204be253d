"""Successive halving of restarts (Jamieson and Talwalkar, AISTATS 2016)."""

from __future__ import annotations

from streamkm.fitting.trajectory import Trajectory
from streamkm.reasons import DROPPED


def halved(trajectories: tuple[Trajectory, ...]) -> tuple[Trajectory, ...]:
    """Keep a half of the restarts after 2 steps of the slowest, a quarter after 4, and so on.

    Restarts are compared by the loss at that step. A restart that has ended by its stop rules is
    never dropped, but it counts as one of those that are kept.
    """
    racing = [t for t in trajectories if t.stop_reason != DROPPED]
    running = [t for t in racing if t.stop_reason is None]
    age = min((len(t.history) for t in running), default=0)
    if age < 2:
        return trajectories
    n_best = -(-len(trajectories) // 2 ** (age.bit_length() - 1))

    def loss(trajectory: Trajectory) -> float:
        return trajectory.history[min(age, len(trajectory.history)) - 1].inertia

    hopeless = {id(t) for t in sorted(racing, key=loss)[n_best:]} & {id(t) for t in running}
    return tuple(t.drop() if id(t) in hopeless else t for t in trajectories)
