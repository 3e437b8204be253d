"""What a pass and a statistic are, and their product."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

from streamkm.rows import Block


class Statistic(ABC):
    """A commutative monoid: `combine` is associative, and any order of parts means the same."""

    @classmethod
    @abstractmethod
    def combine(cls, parts: Sequence[Self]) -> Self:
        """The statistic of all rows of the parts; at least one part."""


S = TypeVar("S", bound=Statistic)


class Pass(ABC, Generic[S]):
    """A question asked of every block: small, frozen, picklable."""

    @abstractmethod
    def identity(self) -> S:
        """The statistic of no rows."""

    @abstractmethod
    def __call__(self, block: Block) -> S:
        """The statistic of one block."""


@dataclass(frozen=True)
class Products(Statistic):
    """Several statistics of the same rows."""

    parts: tuple[Any, ...]

    @classmethod
    def combine(cls, parts: Sequence[Products]) -> Products:
        columns = zip(*(p.parts for p in parts), strict=True)
        return cls(tuple(type(column[0]).combine(column) for column in columns))


@dataclass(frozen=True)
class Product(Pass[Products]):
    """Several questions asked in one read: restarts, several k, seeding and validity."""

    passes: tuple[Pass[Any], ...]

    def identity(self) -> Products:
        return Products(tuple(p.identity() for p in self.passes))

    def __call__(self, block: Block) -> Products:
        return Products(tuple(p(block) for p in self.passes))
