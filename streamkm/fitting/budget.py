"""What a fit needs of memory, as far as its parameters tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streamkm.engine import threads
from streamkm.rows import Budget
from streamkm.seeding import method_of


def fit_budget(limit: int | None, init: Any, n_clusters: Sequence[int], n_init: int = 1) -> Budget:
    """The budget of fits of every k with `n_init` restarts, all in the same reads.

    Parameters
    ----------
    limit : bytes of this process, or None
    init : name of a seeding method, or centroids
    n_clusters : the values of k
    n_init : restarts of each
    """
    if not isinstance(init, str):
        return Budget(limit, threads(), max(n_clusters), fits=True)
    method = method_of(init)
    return Budget(
        limit,
        threads(),
        sum(method.width(k) for k in n_clusters) * n_init,
        fits=True,
        summaries=len(n_clusters) * n_init if method.samples else 0,
        summary_rows=method.sample(max(n_clusters)),
    )
