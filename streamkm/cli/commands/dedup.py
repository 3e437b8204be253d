"""``streamkm dedup``."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from streamkm.cli.files import report_file
from streamkm.cli.scheduler import CLUSTER, scheduled
from streamkm.cli.ui.say import say, say_aside
from streamkm.outputs import check_outputs
from streamkm.progress import Progress
from streamkm.runs.dedup import dedup
from streamkm.showing.bar import ProgressBar


def run(
    partition: str,
    output: str,
    *,
    threshold: float,
    memory_limit: int | None,
    overwrite: bool,
    **given: Any,
) -> None:
    """Write which rows are kept; print the number and the share of those that are dropped."""
    check_outputs([report_file(given["report"], overwrite)], [partition])
    with ExitStack() as stack:
        stack.enter_context(scheduled(*(given[name] for name in CLUSTER)))
        bar = stack.enter_context(ProgressBar())

        def show(stage: str, done: int, total: int) -> None:
            bar.show(Progress(stage, done, total, "batches" if stage == "compare" else "chunks"))

        found = dedup(partition, output, threshold, overwrite, memory_limit, say_aside, show)
    share = found.n_dropped / max(found.n_rows, 1)
    say(f"{found.n_dropped:,} of {found.n_rows:,} rows dropped ({share:.2%})")
