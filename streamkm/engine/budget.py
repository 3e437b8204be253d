"""The memory budget of work in this process."""

from __future__ import annotations

from typing import Any

from streamkm.engine.schedule import memory_without_limit, threads
from streamkm.rows import Budget


def work_budget(limit: int | None, n_clusters: int, **work: Any) -> Budget:
    """Return the budget of reads that compare rows with centroids.

    Without a limit, the work may take the memory of this machine.

    Parameters
    ----------
    limit : bytes of this process, or None
    n_clusters : number of centroids
    **work : other fields of `Budget`
    """
    return Budget(
        limit,
        threads(),
        n_clusters,
        largest=n_clusters,
        machine=memory_without_limit(),
        **work,
    )
