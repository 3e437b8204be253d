"""Forecast of the cost of a run, and output of results as a table or JSON."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rich.table import Table

from streamkm.cli.ui.console import PlainConsole
from streamkm.cli.ui.say import say, strict_json
from streamkm.engine import can_cache
from streamkm.rows import Budget, Rows, StoredRows
from streamkm.sizes import show_bytes


def forecast(
    rows: Rows, budget: Budget, seeding: int, max_iter: int, last: int, labelled: bool = False
) -> dict[str, Any]:
    """Return upper bounds of the cost of a fit, by phase.

    Parameters
    ----------
    rows, budget : rows and budget of the fit
    seeding : number of reads of the seeding
    max_iter : maximum number of iterations
    last : number of reads for the final loss and the labels
    labelled : whether labels are written
    """
    layout, a_read = rows.layout, rows.layout.nbytes
    cached = rows.cached_nbytes if isinstance(rows, StoredRows) and can_cache(rows) else None
    if cached is not None:  # the first read is the only one
        seeding, max_iter, last = 1, 0, 0
    most = seeding + max_iter + last
    block = rows.plan.largest * (a_read // layout.n_rows + budget.answer_nbytes)
    known = replace(budget, n_features=layout.n_features, threads=budget.threads + int(rows.ahead))
    return {
        "rows": layout.n_rows,
        "features": layout.n_features,
        "dtype": str(layout.dtype),
        "blocks": rows.plan.n_blocks,
        "block_bytes": block,
        "bytes_a_read": a_read,
        "reads_seeding": seeding,
        "bytes_seeding": seeding * a_read,
        "reads_iterations_at_most": max_iter,
        "bytes_iterations_at_most": max_iter * a_read,
        "reads_loss_and_labels": last,
        "bytes_loss_and_labels": last * a_read,
        "reads_at_most": most,
        "bytes_at_most": most * a_read,
        "reads_besides": "one for each iteration that finds an empty cluster"
        if cached is None
        else None,
        "reads_if_few_distinct_rows": 1 + int(labelled and cached is None),
        "cached_bytes": cached,
        "distinct_rows_at_most_then": budget.room(layout).table,
        "threads": budget.threads,
        "projected_memory_bytes": known.projected(
            block, rows.plan.n_blocks, rows.resident_nbytes + (cached or 0)
        ),
        "memory_limit_bytes": budget.limit,
    }


def show(facts: dict[str, Any], as_json: bool) -> None:
    """Print values by name; the table leaves None out."""
    if as_json:
        say(strict_json(facts))
        return
    table = Table(show_header=False, box=None)
    for name, value in facts.items():
        if value is None:
            continue
        if "bytes" in name:
            text = show_bytes(value)
        else:
            text = f"{value:,}" if isinstance(value, int) else str(value)
        table.add_row(name.replace("_bytes", "").replace("_", " "), text)
    PlainConsole().print(table)
