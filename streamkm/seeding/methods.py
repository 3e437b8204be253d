"""The methods by name."""

from __future__ import annotations

from collections.abc import Callable

from streamkm.seeding.base import Seeding
from streamkm.seeding.farthest import Farthest
from streamkm.seeding.kmeans_parallel import ROUNDS, KMeansParallel
from streamkm.seeding.kmeans_plusplus import KMeansPlusPlus
from streamkm.seeding.random_rows import RandomRows

METHODS: dict[str, tuple[type[Seeding], Callable[[int], int]]] = {
    "k-means||": (KMeansParallel, lambda k: ROUNDS + 2),
    "k-means++": (KMeansPlusPlus, lambda k: k),
    "random": (RandomRows, lambda k: 1),
    "farthest": (Farthest, lambda k: k),
}


def begin(method: str, k: int, seed: int) -> Seeding:
    """The first state of a method.

    Raises
    ------
    ValueError
        Naming the methods there are.
    """
    if method not in METHODS:
        raise ValueError(f"init={method!r} is not known; use one of {sorted(METHODS)} or an array.")
    return METHODS[method][0](k, seed)


def reads(method: str, k: int) -> int:
    """Reads of the data that a method takes at most."""
    return METHODS[method][1](k)
