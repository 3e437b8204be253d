"""Whether decoded blocks stay in memory between the reads of a fit."""

from __future__ import annotations

from streamkm.engine.schedule import client
from streamkm.rows import KeptRows, PersistedRows, Rows, StoredRows

_SPARE = 2  # a cluster's memory must hold the data this many times: its workers compute as well
_MOST = 4096  # blocks of one graph


def keep(rows: Rows) -> Rows:
    """The rows, in memory from their first read on where they fit there; the same bits.

    Beside the work in this process, as `StoredRows.fits` has it; on a Client in its workers.
    """
    if not isinstance(rows, StoredRows) or rows.in_memory:
        return rows
    cluster = client()
    if cluster is None:
        return KeptRows.of(rows) if rows.fits else rows
    workers = cluster.scheduler_info(n_workers=-1)["workers"].values()
    room = sum(worker["memory_limit"] or 0 for worker in workers)
    if _SPARE * rows.layout.nbytes > room or rows.plan.n_blocks > _MOST:
        return rows
    import dask.array as da

    sizes = iter(rows.plan.chunks)
    axes = rows.layout.feature_axes
    chunks = tuple(-1 if a in axes else next(sizes) for a in range(len(rows.layout.shape)))
    array = cluster.persist(da.from_array(rows.array, chunks=chunks, name=False))
    weights = rows.weights
    if weights is not None:
        weights = cluster.persist(da.from_array(weights, chunks=rows.plan.chunks, name=False))
    return PersistedRows(array, rows.layout, rows.plan, weights, rows.opening_reads)
