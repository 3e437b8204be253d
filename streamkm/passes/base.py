"""Base classes of passes and statistics, and their products."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, is_dataclass
from functools import cached_property
from sys import getsizeof
from typing import Any, Generic, Self, TypeVar

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.checkpointable import Checkpointable
from streamkm.kernels import Prepared
from streamkm.rows import Block


class _Measured(Checkpointable):
    """A value whose size includes its arrays, by which a cluster decides where to send what."""

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + sum(map(_nbytes, vars(self).values()))


def _nbytes(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, tuple):
        return sum(map(_nbytes, value))
    return sum(map(_nbytes, vars(value).values())) if is_dataclass(value) else getsizeof(value)


class Statistic(_Measured, ABC):
    """A commutative monoid: `combine` is associative and independent of the order of parts."""

    @classmethod
    @abstractmethod
    def combine(cls, parts: Sequence[Self]) -> Self:
        """Combine the statistics of at least one part into that of all their rows."""


S = TypeVar("S", bound=Statistic)


class Pass(_Measured, ABC, Generic[S]):
    """A question that is asked of every block; small, frozen and picklable."""

    @abstractmethod
    def identity(self) -> S:
        """The statistic of no rows."""

    @abstractmethod
    def __call__(self, block: Block) -> S:
        """The statistic of one block."""

    def statistic_nbytes(self, n_features: int) -> int:
        """Bytes of the statistic of all rows, if it grows with the number of clusters, or 0."""
        return 0


class WithCentroids:
    """A question that compares rows with `centroids` (k, d), which are prepared once."""

    centroids: Float64Array

    def statistic_nbytes(self, n_features: int) -> int:
        """Bytes of one number for each feature of each cluster."""
        return self.centroids.nbytes

    @cached_property
    def prepared(self) -> Prepared:
        return Prepared(self.centroids)


@dataclass(frozen=True)
class Products(Statistic):
    """The statistics of several passes over the same rows."""

    parts: tuple[Any, ...]

    @classmethod
    def combine(cls, parts: Sequence[Products]) -> Products:
        columns = zip(*(p.parts for p in parts), strict=True)
        return cls(tuple(type(column[0]).combine(column) for column in columns))


@dataclass(frozen=True)
class Product(Pass[Products]):
    """Several passes in one read, for example of all restarts, of several k, and of checks."""

    passes: tuple[Pass[Any], ...]

    def identity(self) -> Products:
        return Products(tuple(p.identity() for p in self.passes))

    def __call__(self, block: Block) -> Products:
        return Products(tuple(p(block) for p in self.passes))

    def statistic_nbytes(self, n_features: int) -> int:
        return max((p.statistic_nbytes(n_features) for p in self.passes), default=0)
