"""Advice on a run that does not fit in its memory limit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

from streamkm.sizes import show_bytes

if TYPE_CHECKING:
    from streamkm.rows.memory import Budget

_SMALL_BLOCK = 2**20  # bytes of chunks that are small, but not slow to read
_NOTABLE = 0.95  # share of a projection below which a change is worth naming
_FEW = 0.01  # share of the clusters below which fewer clusters are no advice


def advice_on(asked: Budget, block_nbytes: int, n_blocks: int, resident_nbytes: int) -> str:
    """Return what lowers the projection notably, with the new projections.

    The words for a seeding without a sample are a field of `str.format`.
    """

    def needs(names: Sequence[str]) -> int:
        """The projection with the changes of these names."""
        budget, nbytes = asked, block_nbytes
        for name in names:
            budget, nbytes = changes[name](budget, nbytes)
        blocks = n_blocks * -(-block_nbytes // nbytes)
        return budget.projected(nbytes, blocks, resident_nbytes)

    small = min(block_nbytes, _SMALL_BLOCK)
    changes: dict[str, Callable[[Budget, int], tuple[Budget, int]]] = {
        "one thread (DASK_NUM_WORKERS=1)": lambda own, n: (replace(own, threads=1), n),
        f"the data in chunks of {show_bytes(small)}": lambda own, _: (own, small),
    }
    if asked.summary_rows and asked.unsampled is not None:
        name = "{without_sample}, without a sample"
        changes[name] = lambda own, n: (_without_samples(own), n)
    lower = sorted((needs([name]), name) for name in changes)
    helps = [(n, name) for n, name in lower if n < _NOTABLE * needs([])]
    falls = ", or to ".join(f"{show_bytes(n)} with {name}" for n, name in helps)
    start = "Use a larger machine." if asked.limit is None else "Raise the limit."
    advice = f"{start}{f' The need falls to {falls}.' if falls else ''}"
    if any(asked.allows(n) for n, _ in helps):
        return advice
    sets = [one for size in (2, 3) for one in combinations(changes, size)]
    together = sorted((needs(names), names) for names in sets)
    fitting = [each for each in together if asked.allows(each[0])]
    if fitting:
        least = min(fitting, key=lambda each: len(each[1]))
        return f"{advice} It fits with {_joined(least[1])} ({show_bytes(least[0])})."
    if together and together[0][0] < _NOTABLE * min((n for n, _ in lower), default=0):
        n, names = together[0]
        advice += f" It falls to {show_bytes(n)} with {_joined(names)}."
    share = _share_of_clusters(asked, block_nbytes, n_blocks, resident_nbytes)
    return f"{advice} It fits with {share:.0%} of the clusters." if share >= _FEW else advice


def _without_samples(budget: Budget) -> Budget:
    """The budget of a single restart with a seeding method that has no sample."""
    return replace(budget, summaries=budget.unsampled or 0, summary_rows=0, summary_enough=0)


def _share_of_clusters(
    asked: Budget, block_nbytes: int, n_blocks: int, resident_nbytes: int
) -> float:
    """Return the largest share of the clusters, in steps of a hundredth, that the limit allows.

    It is 0 if the limit does not allow a single cluster.
    """
    for percent in range(99, 0, -1):
        names = ("clusters", "largest", "summary_rows", "summary_enough")
        changed: dict[str, Any] = {n: getattr(asked, n) * percent // 100 for n in names}
        clusters = changed["clusters"]
        if clusters == 0:
            break
        fewer = replace(asked, **changed)
        if asked.allows(fewer.projected(block_nbytes, n_blocks, resident_nbytes)):
            return float(clusters / asked.clusters)
    return 0.0


def _joined(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
