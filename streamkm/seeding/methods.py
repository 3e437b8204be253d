"""The methods by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streamkm.seeding.base import Seeding
from streamkm.seeding.coreset import Coreset, least_sample
from streamkm.seeding.farthest import Farthest
from streamkm.seeding.farthest_parallel import FarthestParallel
from streamkm.seeding.kmeans_parallel import OVERSAMPLING, ROUNDS, KMeansParallel
from streamkm.seeding.kmeans_plusplus import KMeansPlusPlus
from streamkm.seeding.random_rows import RandomRows


@dataclass(frozen=True)
class Task:
    """What a seeding is for.

    Parameters
    ----------
    k : centroids wanted
    seed : of its draws
    n_rows : of the data
    sample : rows of a summary that memory has room for
    """

    k: int
    seed: int
    n_rows: int
    sample: int


@dataclass(frozen=True)
class Method:
    """A seeding method and what it costs.

    Parameters
    ----------
    start : the state it begins with
    reads : reads of the data, from k
    width : centroids and candidates of its widest pass, from k
    sample : rows of the summary that it keeps in memory at least, from k; 0 for none
    """

    start: Callable[[Task], Seeding]
    reads: Callable[[int], int]
    width: Callable[[int], int]
    sample: Callable[[int], int] = lambda k: 0

    @property
    def samples(self) -> bool:
        """Whether it keeps a summary."""
        return self.sample(1) > 0


def _simple(kind: Callable[[int, int], Seeding]) -> Callable[[Task], Seeding]:
    return lambda task: kind(task.k, task.seed)


METHODS = {
    "coreset": Method(
        lambda task: Coreset.begin(task.k, task.seed, task.n_rows, task.sample),
        lambda k: 2,
        lambda k: k,
        least_sample,
    ),
    "k-means||": Method(
        _simple(KMeansParallel), lambda k: ROUNDS + 2, lambda k: OVERSAMPLING * (ROUNDS + 1) * k
    ),
    "k-means++": Method(_simple(KMeansPlusPlus), lambda k: k, lambda k: k),
    "random": Method(_simple(RandomRows), lambda k: 1, lambda k: k),
    "farthest": Method(_simple(Farthest), lambda k: k, lambda k: k),
    "farthest||": Method(_simple(FarthestParallel), lambda k: 1, lambda k: k),
}
AUTO = "coreset"


def begin(method: str, task: Task) -> Seeding:
    """The first state of a method."""
    return method_of(method).start(task)


def method_of(name: str) -> Method:
    """A method by its name; 'auto' is the one that docs/seeding.md found best.

    Raises
    ------
    ValueError
        Naming the methods there are.
    """
    if name == "auto":
        name = AUTO
    if name not in METHODS:
        raise ValueError(
            f"init={name!r} is not known; use one of {sorted((*METHODS, 'auto'))} or an array."
        )
    return METHODS[name]
