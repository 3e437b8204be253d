"""``streamkm predict``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from streamkm.cli.files import report_file
from streamkm.cli.scheduler import CLUSTER, scheduled
from streamkm.cli.translate import opening
from streamkm.cli.ui.say import say, say_aside
from streamkm.outputs import check_outputs, label_output
from streamkm.rows import Rows
from streamkm.runs.labels import WaveCallback
from streamkm.runs.predict import predict
from streamkm.showing.reads import ReadProgress

_SHOWN = 64  # shares of clusters, at most


def run(
    model: str,
    data: str,
    output: str,
    *,
    n_clusters: int | None,
    how: str,
    overwrite: bool,
    **given: Any,
) -> None:
    """Write the label of every row; print the inertia."""
    target = label_output(output, overwrite)
    check_outputs([report_file(given["report"], overwrite)], [model, data])
    source = opening(data, given)
    with scheduled(*(given[name] for name in CLUSTER)):
        found = predict(model, source, target, n_clusters, show_labels, say_aside, how == "routed")
    left_out = f", {found.n_left_out:,} left out" if found.n_left_out else ""
    inertia = "" if found.inertia is None else f", inertia {found.inertia:.6g}"
    say(f"{found.n_rows:,} rows labelled{left_out}{inertia}")
    if found.counts is not None and len(found.counts) <= _SHOWN and found.counts.any():
        shares = found.counts / found.counts.sum()
        say("shares of the weights: " + " ".join(f"{share:.1%}" for share in shares))


@contextmanager
def show_labels(rows: Rows) -> Iterator[WaveCallback]:
    """Show the progress of the read that writes labels or codes."""
    with ReadProgress(rows) as bar:
        bar.next_read("labels")
        yield lambda folded: bar.advance_to(folded.n_blocks)
