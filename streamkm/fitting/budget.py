"""The memory that a fit needs, as far as its parameters determine it."""

from __future__ import annotations

from collections.abc import Sequence

from streamkm.engine import memory_without_limit, threads
from streamkm.rows import Budget
from streamkm.seeding import method_of


def fit_budget(
    limit: int | None,
    inits: Sequence[str],
    n_clusters: Sequence[int],
    keeps: bool = True,
    samples_if_small: bool = False,
) -> Budget:
    """The memory budget of fits of every k with every restart, all in the same reads.

    Parameters
    ----------
    limit : bytes of this process, or None
    inits : the seeding method of each restart
    n_clusters : the values of k
    keeps : whether every restart may keep boundary rows, as in a fit but not in a sweep
    samples_if_small : whether large centroids are random rows instead, as with init="auto"
    """
    methods = [method_of(init) for init in inits]
    least = [m.least_sample(max(n_clusters)) for m in methods if m.least_sample is not None]
    enough = [m.enough_sample(max(n_clusters)) for m in methods if m.enough_sample is not None]
    return Budget(
        limit,
        threads(),
        sum(method.width(k) for k in n_clusters for method in methods),
        fits=True,
        summaries=max(len(n_clusters) * len(least), len(methods) * keeps),
        summary_rows=max(least, default=0),
        unsampled=len(methods) * keeps,
        largest=max(n_clusters),
        summary_enough=max(enough, default=0),
        samples_if_small=samples_if_small,
        machine=memory_without_limit(),
    )
