"""Questions with an answer for every row: labels and distances."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
import numpy.typing as npt

from streamkm.kernels import squared_distances
from streamkm.passes.base import S
from streamkm.passes.census import Counted
from streamkm.passes.lloyd import Assigned, Lloyd, refuse_bad
from streamkm.rows import Block

Array = npt.NDArray[np.float64]


class PerRow(ABC, Generic[S]):
    """A pass that also answers for each row.

    `dtype` is that of the answers; `width` their number a row, or None for a single one.
    """

    dtype: np.dtype[Any]

    @property
    def width(self) -> int | None:
        return None

    @abstractmethod
    def identity(self) -> S:
        """The statistic of no rows."""

    @abstractmethod
    def __call__(self, block: Block) -> tuple[npt.NDArray[Any], S]:
        """Answers (n,) or (n, width), and the statistic of the same rows."""


@dataclass(frozen=True)
class Labels(PerRow[Assigned]):
    """The nearest centroid of every row, and what Lloyd's step would gather."""

    centroids: Array
    dtype: np.dtype[Any]

    def identity(self) -> Assigned:
        return Lloyd(self.centroids).identity()

    def __call__(self, block: Block) -> tuple[npt.NDArray[Any], Assigned]:
        labels = np.empty(block.n_rows, self.dtype)
        return labels, Lloyd(self.centroids).assign(block, labels)


@dataclass(frozen=True)
class Distances(PerRow[Counted]):
    """Euclidean distances (n, k) of every row to every centroid."""

    centroids: Array
    dtype: np.dtype[Any]

    @property
    def width(self) -> int:
        return len(self.centroids)

    def identity(self) -> Counted:
        return Counted()

    def __call__(self, block: Block) -> tuple[npt.NDArray[Any], Counted]:
        out = np.empty((block.n_rows, self.width), self.dtype)
        for tile in block.tiles():
            part = squared_distances(tile.x, self.centroids)
            refuse_bad(block, tile.start, part[:, 0])
            out[tile.start : tile.start + len(part)] = np.sqrt(part)
        return out, Counted(rows=block.n_rows)


def label_dtype(n_clusters: int) -> np.dtype[Any]:
    """The smallest unsigned integer that holds the labels 0 .. n_clusters - 1."""
    return np.min_scalar_type(n_clusters - 1)
