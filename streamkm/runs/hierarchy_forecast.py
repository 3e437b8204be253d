"""The reads, memory and work of every level of a hierarchy, before its first read."""

from __future__ import annotations

from typing import Any, cast

from streamkm.engine import threads
from streamkm.rows import Budget
from streamkm.runs.forecast import forecast_fit
from streamkm.runs.hierarchy import PreparedHierarchy, leaves_nbytes
from streamkm.runs.parts import part_nbytes

Level = dict[str, Any]
_NUMBER = 8  # bytes of a row number in a partition


def forecast_hierarchy(prepared: PreparedHierarchy) -> dict[str, Any]:
    """Return the cost of a hierarchy, with that of each level in the order of the fits.

    Parameters
    ----------
    prepared : PreparedHierarchy

    Returns
    -------
    dict
        ``levels`` is a list of the costs of the levels. The multiplications are those of one
        iteration of all fits of a level; its memory is for groups of equal sizes.
    """
    levels = [_first(prepared)]
    levels += [_split(prepared, number) for number in range(1, len(prepared.options.splits))]
    levels += _above(prepared)
    partitions = len(prepared.options.splits) - 1
    layout = prepared.rows.layout
    last = 0 if partitions else 1  # a read for the sizes of the clusters
    reads = last + sum(level["reads_likely"] for level in levels)
    most = last + sum(level["reads_at_most"] for level in levels)
    memory = max(level["memory_bytes"] for level in levels)
    return {
        "rows": layout.n_rows,
        "features": layout.n_features,
        "dtype": str(layout.dtype),
        "bytes_a_read": layout.nbytes,
        "clusters": [level["clusters"] for level in levels],
        "levels": levels,
        "reads_likely": reads,
        "bytes_likely": reads * layout.nbytes,
        "reads_at_most": most,
        # Partitions stay until the end; the sorted runs of the last one are beside it.
        "disk_space_bytes": (partitions + 1) * _partition_nbytes(prepared) if partitions else 0,
        "threads": threads(),
        "projected_memory_bytes": max(memory, leaves_nbytes(prepared.options.sizes[0], layout)),
        "memory_limit_bytes": prepared.memory_limit,
    }


def _first(prepared: PreparedHierarchy) -> Level:
    """The fit to all rows, with its rounds of resampling."""
    fit = cast(Level, forecast_fit(prepared.first, labelled=False))
    layout, options = prepared.rows.layout, prepared.options
    k = options.splits[0]
    return {
        "clusters": k,
        "fitted_to": "all rows",
        "fits": 1,
        "reads_likely": fit["reads_likely"] + options.resampling,
        "reads_at_most": fit["reads_at_most"] + options.resampling,
        "multiplications_an_iteration": layout.n_rows * k * layout.n_features,
        "memory_bytes": fit["projected_memory_bytes"],
    }


def _split(prepared: PreparedHierarchy, number: int) -> Level:
    """One read that writes the rows by group, and a fit of each group in memory."""
    layout, limit = prepared.rows.layout, prepared.memory_limit
    groups, k = prepared.options.splits[number - 1 : number + 1]
    plan, budget = prepared.rows.plan, Budget(limit, threads(), groups, largest=groups)
    block = plan.largest * (layout.nbytes // layout.n_rows + budget.answer_nbytes)
    writing = budget.of(layout).projected(block, plan.n_blocks)
    rows = -(-layout.n_rows // groups)
    return {
        "clusters": k,
        "fitted_to": f"{groups:,} groups of {rows:,} rows in the mean",
        "fits": groups,
        "reads_likely": 1,
        "reads_at_most": 1,
        "multiplications_an_iteration": layout.n_rows * -(-k // groups) * layout.n_features,
        "written_bytes": _partition_nbytes(prepared),
        "memory_bytes": max(writing, part_nbytes(rows * layout.nbytes // layout.n_rows, limit)),
    }


def _above(prepared: PreparedHierarchy) -> list[Level]:
    """Fits of the levels above the leaves to the centroids of the level below."""
    options, d = prepared.options, prepared.rows.layout.n_features
    if options.top_down:
        return []
    return [
        {
            "clusters": k,
            "fitted_to": f"{below:,} centroids",
            "fits": 1,
            "reads_likely": 0,
            "reads_at_most": 0,
            "multiplications_an_iteration": below * k * d,
            "memory_bytes": leaves_nbytes(below, prepared.rows.layout),
        }
        for below, k in zip(options.sizes, options.sizes[1:], strict=False)
    ]


def _partition_nbytes(prepared: PreparedHierarchy) -> int:
    """Bytes of the rows by group, before compression."""
    weights = prepared.rows.weights
    beside = _NUMBER + (0 if weights is None else weights.dtype.itemsize)
    return prepared.rows.layout.nbytes + prepared.rows.layout.n_rows * beside
