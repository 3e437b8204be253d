"""Upper bounds of the reads, bytes and memory of a run, before its first read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from streamkm.engine import can_cache
from streamkm.rows import Budget, Rows, StoredRows
from streamkm.runs.fit import PreparedFit
from streamkm.seeding import method_of

if TYPE_CHECKING:  # it imports xarray, which fits do not need
    from streamkm.runs.sweep import PreparedSweep

Forecast: TypeAlias = dict[str, str | int | None]


def forecast_fit(prepared: PreparedFit, labelled: bool) -> Forecast:
    """Return upper bounds of the cost of a fit.

    Parameters
    ----------
    prepared : PreparedFit
    labelled : whether labels are written
    """
    options = prepared.options
    seeding = method_of(str(options.init)).reads(options.n_clusters) + (options.scale is not None)
    # The last loss and the labels come from one read, unless restarts compete for it.
    last = 1 + int(labelled and options.n_init > 1)
    return _forecast(prepared.rows, prepared.budget, seeding, options.max_iter, last, labelled)


def forecast_bisecting(prepared: PreparedFit, labelled: bool) -> Forecast:
    """Return upper bounds of the cost of bisecting k-means, whose splits are fits with k=2."""
    options = prepared.options
    splits = max(1, options.n_clusters - 1)
    seeding = splits * method_of(str(options.init)).reads(2) + (options.scale is not None)
    reads, last = splits * options.max_iter, splits + int(labelled)
    bounds = _forecast(prepared.rows, prepared.budget, seeding, reads, last, labelled)
    return {"splits": splits, **bounds}


def forecast_sweep(prepared: PreparedSweep) -> Forecast:
    """Return upper bounds of the cost of a sweep."""
    options = prepared.options
    ks, inits = options.n_clusters, options.inits
    seeding = max(method_of(init).reads(k) for init in inits for k in ks)
    seeding += options.fit.scale is not None
    bounds = _forecast(prepared.rows, prepared.budget, seeding, options.fit.max_iter, 1)
    validation: Forecast = {} if prepared.validation is None else {"reads_validation": 1}
    return {"fits": len(ks) * len(inits), **bounds, **validation}


def _forecast(
    rows: Rows, budget: Budget, seeding: int, max_iter: int, last: int, labelled: bool = False
) -> Forecast:
    """Return upper bounds of the cost of a run, by phase.

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
    known = replace(budget.of(layout), threads=budget.threads + int(rows.ahead))
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
