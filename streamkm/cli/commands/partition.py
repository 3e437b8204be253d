"""``streamkm partition``."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from streamkm.cli.files import report_file
from streamkm.cli.scheduler import CLUSTER, scheduled
from streamkm.cli.translate import opening
from streamkm.cli.ui.say import say, say_aside
from streamkm.models.sweep_model import model_at
from streamkm.outputs import check_outputs
from streamkm.progress import Progress
from streamkm.runs.partition import partition
from streamkm.showing.bar import ProgressBar


def run(
    model: str,
    data: str,
    output: str,
    *,
    n_clusters: int | None,
    format: str | None,
    overwrite: bool,
    **given: Any,
) -> None:
    """Write the rows grouped by cluster; print the sizes of the clusters."""
    check_outputs([report_file(given["report"], overwrite)], [model, data])
    known = model_at(model, n_clusters)
    source = opening(data, given)
    with ExitStack() as stack:
        stack.enter_context(scheduled(*(given[name] for name in CLUSTER)))
        bar = stack.enter_context(ProgressBar())

        def show(stage: str, done: int, total: int) -> None:
            bar.show(Progress(stage, done, total, "blocks"))

        found = partition(known, source, output, format, overwrite, say_aside, show, model)
    sizes = found.sizes
    empty = int((sizes == 0).sum())
    say(
        f"{sizes.sum():,} rows in {len(sizes):,} clusters of {sizes.min():,} to {sizes.max():,} "
        f"rows{f', {empty:,} of them empty' * bool(empty)}"
        f"{f'; {found.n_left_out:,} rows left out' * bool(found.n_left_out)}"
    )
