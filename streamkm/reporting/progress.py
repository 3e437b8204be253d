"""How far a run is, as texts: from its checkpoint, for ``info`` and for reports."""

from __future__ import annotations

from typing import Any

from streamkm.checkpoint import Generations, Record, Saved, load_saved
from streamkm.fitting import FitState, describe
from streamkm.models.facts import set_parameters, versions_text
from streamkm.runs.feeding import FeedState
from streamkm.runs.stream_stores import StreamState
from streamkm.sizes import show_bytes, show_seconds


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


def standing(saved: Saved[Any] | None) -> str:
    """Say in one line how far the run is."""
    found = facts_of(saved)
    parts = (found[name] for name in ("phase", "at", "checkpoint", "rows") if name in found)
    return ": ".join(parts)
