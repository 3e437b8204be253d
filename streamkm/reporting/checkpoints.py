"""The report of a checkpoint: how far a run is."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from streamkm.checkpoint import Generations, Record, Saved, load_saved
from streamkm.fitting import FitState, Trajectory, describe
from streamkm.models.facts import set_parameters, versions_text
from streamkm.plot.restart_curves import names, restarts
from streamkm.reporting.html import Html, join, table, tag
from streamkm.reporting.html import facts as listed
from streamkm.reporting.page import Section, pictures
from streamkm.reporting.pictures import picture
from streamkm.runs.feeding import FeedState
from streamkm.runs.stream_stores import StreamState
from streamkm.sizes import show_bytes, show_seconds

_ROWS = 200  # restarts of the table


def load_state(path: Any) -> Saved[Any] | None:
    """Return the last intact state of a checkpoint; None if nothing is saved yet."""
    return load_saved(Generations(path, "r"))


def facts_of(saved: Saved[Any] | None) -> dict[str, str]:
    """The progress of the run."""
    if saved is None:
        return {"checkpoint": "nothing saved yet"}
    state, record = saved.state, saved.record
    versions = {"versions": versions_text(record.versions)}
    if isinstance(state, FeedState):
        files = {"files": f"{len(state.files):,}"} if state.files else {}
        feed = {"feed": str(record.data["feed"]), "rows": f"{state.n_rows:,}", **files}
        return {"checkpoint": "stream", **feed, **versions}
    if isinstance(state, StreamState):
        return {"checkpoint": record.kind, **_of_stream(state, record), **versions}
    if not isinstance(state, FitState):  # labels, or a read of a compression
        return {"checkpoint": record.kind, "at": f"block {state.n_blocks:,}", **versions}
    return {
        "phase": "done" if state.done else state.phase,
        "at": describe(state),
        "reads": f"{state.n_passes} ({show_bytes(state.reads.bytes_read)})",
        "of": f"{record.data['shape']}, {record.data['dtype']}, {state.plan.n_blocks} blocks",
        "time": f"{show_seconds(record.seconds)} in {record.runs} run{'s' * (record.runs > 1)}",
        "parameters": set_parameters({**record.asked, **record.free}),
        **versions,
    }


def _of_stream(state: StreamState, record: Record) -> dict[str, str]:
    stores = record.data["stores"]
    if isinstance(stores, list) and state.n_stores == len(stores):
        return {"at": "all data read", "rows": f"{state.summary.counted.rows:,}"}
    return {
        "at": f"block {state.n_blocks:,} after {state.n_stores:,} stores",
        "rows": f"{state.summary.counted.rows:,}, without those of the present store",
    }


def sections(saved: Saved[Any] | None) -> Iterator[Section]:
    """Yield the sections of the report of a checkpoint."""
    state = None if saved is None else saved.state
    read = _present_read(state) if isinstance(state, FitState) else ""
    yield Section("run", "The run", join([listed(facts_of(saved)), read]))
    if isinstance(state, FitState):
        yield Section("restarts", "Restarts", _restarts(state))


def standing(saved: Saved[Any] | None) -> str:
    """Say in one line how far the run is."""
    found = facts_of(saved)
    parts = (found[name] for name in ("phase", "at", "checkpoint", "rows") if name in found)
    return ": ".join(parts)


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
