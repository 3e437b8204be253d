"""The report of a checkpoint: how far a run is."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from streamkm.checkpoint import Saved
from streamkm.fitting import FitState, Trajectory
from streamkm.plot.restart_curves import names, restarts
from streamkm.reporting.html import Html, join, table, tag
from streamkm.reporting.html import facts as listed
from streamkm.reporting.page import Section, pictures
from streamkm.reporting.pictures import picture
from streamkm.reporting.progress import facts_of

_ROWS = 200  # restarts of the table


def sections(saved: Saved[Any] | None) -> Iterator[Section]:
    """Yield the sections of the report of a checkpoint."""
    state = None if saved is None else saved.state
    read = _present_read(state) if isinstance(state, FitState) else ""
    yield Section("run", "The run", join([listed(facts_of(saved)), read]))
    if isinstance(state, FitState):
        yield Section("restarts", "Restarts", _restarts(state))


def _present_read(state: FitState) -> Html:
    """A bar of the blocks of the read that has begun."""
    done, blocks = state.read_blocks, state.plan.n_blocks
    if not done:
        return Html("")
    bar = tag("progress", value=done, max=blocks, aria_label="blocks of the present read")
    return tag("p", bar, f" {done:,} of {blocks:,} blocks of the present read")


def _restarts(state: FitState) -> Html:
    if not any(t.history for t in state.trajectories):
        return tag("p", "No restart has finished an iteration yet.")
    named = list(zip(names(state.trajectories), state.trajectories, strict=True))
    columns = ["restart", "iterations", "inertia", "state"]
    rows = ([name, len(t.history), *_standing(t)] for name, t in named[:_ROWS])
    return join(
        [
            pictures(picture(partial(restarts, state), "The loss of every restart by iteration")),
            table("The restarts by number", columns, rows),
        ]
    )


def _standing(trajectory: Trajectory) -> tuple[str, str]:
    """The last known loss of a restart, and whether it has stopped."""
    known = trajectory.inertia
    if known is None and trajectory.history:
        known = trajectory.history[-1].inertia
    inertia = "" if known is None else f"{known:.6g}"
    if trajectory.stop_reason:
        return inertia, f"stopped: {trajectory.stop_reason}"
    return inertia, "iterating" if trajectory.history else "seeding"
