"""``streamkm nearest``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from streamkm.cli.files import report_file
from streamkm.cli.scheduler import CLUSTER, scheduled
from streamkm.cli.translate import opening
from streamkm.cli.ui.say import say
from streamkm.outputs import check_outputs
from streamkm.outputs.nearest_rows import nearest_output
from streamkm.rows import Rows
from streamkm.runs.labels import WaveCallback
from streamkm.runs.nearest import nearest
from streamkm.showing.reads import ReadProgress


def run(
    model: str,
    data: str,
    output: str,
    *,
    n_rows: int,
    n_clusters: int | None,
    overwrite: bool,
    **given: Any,
) -> None:
    """Write the row numbers; print how many there are."""
    target = nearest_output(output, overwrite)
    source = opening(data, given)
    check_outputs([report_file(given["report"], overwrite)], [model, data])
    with scheduled(*(given[name] for name in CLUSTER)):
        there = nearest(model, source, n_rows, target, _bar, n_clusters).numbers >= 0
    short = int((~there.all(axis=1)).sum())
    fewer = f"; {short:,} of them have fewer than {n_rows:,}" if short else ""
    say(f"{output}: {int(there.sum()):,} rows of {len(there):,} clusters{fewer}")


@contextmanager
def _bar(rows: Rows) -> Iterator[WaveCallback]:
    with ReadProgress(rows) as bar:
        bar.next_read("nearest rows")
        yield lambda folded: bar.advance_to(folded.n_blocks)
