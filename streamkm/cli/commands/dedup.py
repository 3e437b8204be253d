"""``streamkm dedup``."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from streamkm.cli.files import report_file
from streamkm.cli.scheduler import CLUSTER, scheduled
from streamkm.cli.translate import opening
from streamkm.cli.ui.say import say, say_aside
from streamkm.errors import DataError
from streamkm.models.sweep_model import model_at
from streamkm.outputs import MODEL, SWEEP, check_outputs, kind_of
from streamkm.progress import Progress
from streamkm.runs.dedup import DedupOptions, dedup
from streamkm.runs.grouped import Grouping
from streamkm.showing.bar import ProgressBar

_UNITS = {"sort": "blocks", "compare": "batches", "mask": "chunks"}


def run(
    source: str,
    data: str | None,
    output: str,
    *,
    n_clusters: int | None,
    threshold: float,
    keep: str,
    overwrite: bool,
    **given: Any,
) -> None:
    """Write which rows are kept; print the number and the share of those that are dropped."""
    check_outputs([report_file(given["report"], overwrite)], [source, data])
    options = DedupOptions(threshold, keep, overwrite, given["memory_limit"])
    rows = _source(source, data, n_clusters, given)
    with ExitStack() as stack:
        stack.enter_context(scheduled(*(given[name] for name in CLUSTER)))
        bar = stack.enter_context(ProgressBar())

        def show(stage: str, done: int, total: int) -> None:
            bar.show(Progress(stage, done, total, _UNITS[stage]))

        found = dedup(rows, output, options, say_aside, show)
    share = found.n_dropped / max(found.n_rows, 1)
    say(f"{found.n_dropped:,} of {found.n_rows:,} rows dropped ({share:.2%})")


def _source(
    source: str, data: str | None, n_clusters: int | None, given: dict[str, Any]
) -> str | Grouping:
    if data is not None:
        options = opening(data, given)
        return Grouping(model_at(source, n_clusters), options, source)
    asked = {"-k": n_clusters, "--variable": given["variable"], "--mask": given["mask"]}
    asked["--feature-dim"] = given["feature_dims"] or None
    asked["--nodata"] = None if given["nodata"] == "auto" else given["nodata"]
    unused = [name for name, value in asked.items() if value is not None]
    if unused:
        raise DataError(f"{unused[0]} is for DATA and a model; a partition has its own rows.")
    if kind_of(source) in (MODEL, SWEEP):
        raise DataError(
            f"{source} is a model; name its data, too (streamkm dedup MODEL DATA), or a partition."
        )
    return source
