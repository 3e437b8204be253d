"""Search for signatures within a distance, exactly and without comparing all pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.spatial import cKDTree

from streamkm.arrays import Float64Array
from streamkm.images.likeness.signature import LENGTH, Int64Array, Uint8Array, weighted

_DIRECTIONS = 8
_TOGETHER = 4096  # signatures that are converted together
_ROUNDING = 1e-4


class Neighbours:
    """Signatures in a tree over their leading directions.

    A projection never increases a distance, so the tree finds every neighbour, and others that the
    comparison of the whole signatures removes.

    Parameters
    ----------
    signatures : ndarray of shape (n, 217), uint8
    radius : float
        Largest distance of neighbours.
    """

    def __init__(self, signatures: Uint8Array, radius: float) -> None:
        self._signatures, self._radius = signatures, radius
        total, squares = np.zeros(LENGTH), np.zeros((LENGTH, LENGTH))
        for some in self._pieces():
            points = weighted(some).astype(np.float64)
            total += points.sum(axis=0)
            squares += points.T @ points
        mean = total / len(signatures)
        spread = squares / len(signatures) - np.outer(mean, mean)
        self._directions: Float64Array = np.linalg.eigh(spread)[1][:, -_DIRECTIONS:]
        self._projected = np.concatenate(
            [weighted(some).astype(np.float64) @ self._directions for some in self._pieces()]
        )
        self._tree = cKDTree(self._projected)

    def of(self, number: int) -> tuple[Int64Array, Float64Array]:
        """Return the numbers of the neighbours of a signature, ascending, and their distances."""
        near = self._tree.query_ball_point(self._projected[number], self._radius + _ROUNDING)
        numbers = np.sort(np.asarray(near, np.int64))
        own = weighted(self._signatures[number : number + 1])
        distances = np.concatenate(
            [
                np.linalg.norm(weighted(self._signatures[numbers[some]]) - own, axis=1)
                for some in _slices(len(numbers))
            ]
        ).astype(np.float64)
        kept = distances <= self._radius
        return numbers[kept], distances[kept]

    def _pieces(self) -> Iterator[Uint8Array]:
        for some in _slices(len(self._signatures)):
            yield self._signatures[some]


def _slices(n: int) -> Sequence[slice]:
    return [slice(at, at + _TOGETHER) for at in range(0, n, _TOGETHER)]
