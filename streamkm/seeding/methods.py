"""The methods by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streamkm.seeding.base import Seeding
from streamkm.seeding.farthest import Farthest
from streamkm.seeding.kmeans_parallel import OVERSAMPLING, ROUNDS, KMeansParallel
from streamkm.seeding.kmeans_plusplus import KMeansPlusPlus
from streamkm.seeding.random_rows import RandomRows


@dataclass(frozen=True)
class Method:
    """A seeding method and what it costs.

    Parameters
    ----------
    start : the state it begins with, from k and a seed
    reads : reads of the data at most, from k
    width : centroids and candidates of its widest pass, from k
    """

    start: Callable[[int, int], Seeding]
    reads: Callable[[int], int]
    width: Callable[[int], int]


METHODS = {
    "k-means||": Method(
        KMeansParallel, lambda k: ROUNDS + 2, lambda k: OVERSAMPLING * (ROUNDS + 1) * k
    ),
    "k-means++": Method(KMeansPlusPlus, lambda k: k, lambda k: k),
    "random": Method(RandomRows, lambda k: 1, lambda k: k),
    "farthest": Method(Farthest, lambda k: k, lambda k: k),
}


def begin(method: str, k: int, seed: int) -> Seeding:
    """The first state of a method."""
    return method_of(method).start(k, seed)


def method_of(name: str) -> Method:
    """A method by its name.

    Raises
    ------
    ValueError
        Naming the methods there are.
    """
    if name not in METHODS:
        raise ValueError(f"init={name!r} is not known; use one of {sorted(METHODS)} or an array.")
    return METHODS[name]
