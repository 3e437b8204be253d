"""The output of ``streamkm info`` for a checkpoint; separate because it imports the fit states."""

from __future__ import annotations

from streamkm.checkpoint import Generations, load_saved
from streamkm.fitting import FitState, describe
from streamkm.runs.feeding import FeedState
from streamkm.runs.stream_stores import StreamState
from streamkm.sizes import show_bytes, show_seconds


def facts_of(path: str) -> dict[str, str]:
    """The progress of the run, from its last intact state."""
    saved = load_saved(Generations(path, "r"))
    if saved is None:
        return {"checkpoint": "nothing saved yet"}
    state, record = saved.state, saved.record
    versions = {"versions": ", ".join(f"{name} {v}" for name, v in record.versions.items())}
    if isinstance(state, FeedState):
        files = {"files": f"{len(state.files):,}"} if state.files else {}
        facts = {"feed": str(record.data["feed"]), "rows": f"{state.n_rows:,}", **files}
        return {"checkpoint": "stream", **facts, **versions}
    if isinstance(state, StreamState):
        at = f"block {state.n_blocks:,} after {state.n_stores:,} stores"
        rows = f"{state.summary.counted.rows:,}, without those of the present store"
        stores = record.data["stores"]
        if isinstance(stores, list) and state.n_stores == len(stores):
            at, rows = "all data read", f"{state.summary.counted.rows:,}"
        return {"checkpoint": record.kind, "at": at, "rows": rows, **versions}
    if not isinstance(state, FitState):  # labels, or a read of a compression
        return {"checkpoint": record.kind, "at": f"block {state.n_blocks:,}", **versions}
    asked = {n: v for n, v in {**record.asked, **record.free}.items() if v not in (None, [])}
    return {
        "phase": "done" if state.done else state.phase,
        "at": describe(state),
        "reads": f"{state.n_passes} ({show_bytes(state.reads.bytes_read)})",
        "of": f"{record.data['shape']}, {record.data['dtype']}, {state.plan.n_blocks} blocks",
        "time": f"{show_seconds(record.seconds)} in {record.runs} run{'s' * (record.runs > 1)}",
        "parameters": ", ".join(f"{name}={value}" for name, value in asked.items()),
        **versions,
    }
