"""Weighted samples of all rows (coresets), each in one read.

Every row has a rate and a key Exp(1) / rate, computed from its row number. The sample contains the
rows whose key is below a threshold. A row of rate q is in the sample with probability
p = 1 - exp(-q * threshold), and with the weight weight / p every sum over the sample is an unbiased
estimate of the sum over the rows (Horvitz and Thompson, JASA 47, 1952). If more than `most` rows
qualify, the threshold is lowered to the key of the first row that is left out, which keeps the
estimates unbiased (rank conditioning: Cohen and Kaplan, PODC 2007). Rows with a rate that is large
compared with the threshold are always in the sample, with their own weight.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array, gathered
from streamkm.kernels import exponentials
from streamkm.passes.base import Pass, Statistic, WithCentroids
from streamkm.rows import Block, Tile


def threshold_of(chance: float) -> float:
    """Return the threshold that samples rows of rate one with a probability; 1 samples all."""
    return np.inf if chance >= 1 else -float(np.log1p(-chance))


@dataclass(frozen=True)
class Sampled(Statistic):
    """Rows whose key is below the threshold, sorted by (key, row number).

    Parameters
    ----------
    most : int, maximum number of rows
    threshold : float
    keys, rates, weights : ndarray of shape (m,), float64
    numbers : ndarray of shape (m,), int64, row numbers
    values : ndarray of shape (m, d), float32 or float64
    """

    most: int
    threshold: float
    keys: Float64Array
    rates: Float64Array
    weights: Float64Array
    numbers: npt.NDArray[np.int64]
    values: AnyArray

    @classmethod
    def combine(cls, parts: Sequence[Sampled]) -> Sampled:
        most = parts[0].most
        threshold = min(p.threshold for p in parts)
        parts = [p for p in parts if len(p.keys)]
        if not parts:
            return cls.none(most, threshold)
        keys = np.concatenate([p.keys for p in parts])
        numbers = np.concatenate([p.numbers for p in parts])
        order = np.lexsort((numbers, keys))
        order = order[keys[order] < threshold]
        if len(order) > most:
            threshold = float(keys[order[most]])
            order = order[:most]
        names = ("keys", "rates", "weights", "numbers")
        columns: Any = [np.concatenate([getattr(p, n) for p in parts])[order] for n in names]
        columns.append(gathered([p.values for p in parts], order))
        return cls(most, threshold, *columns)

    @classmethod
    def none(cls, most: int, threshold: float) -> Sampled:
        empty = np.empty(0)
        return cls(most, threshold, empty, empty, empty, np.empty(0, np.int64), np.empty((0, 0)))

    def lowest(self, most: int) -> Sampled:
        """Return the sample as it would be with a smaller maximum number of rows."""
        return self if len(self.keys) <= most else self.combine([replace(self, most=most)])

    @property
    def estimates(self) -> Float64Array:
        """Weight of each row divided by the probability that it is in the sample, of shape (m,)."""
        return self.weights / -np.expm1(-self.rates * self.threshold)


@dataclass(frozen=True)
class _Sample(Pass[Sampled]):
    """Sample rows by rate; subclasses define the rates.

    Parameters
    ----------
    most : int, maximum number of rows
    threshold : float; a row is sampled with a probability of about rate * threshold
    seed, stream : int, key of the draws
    """

    most: int
    threshold: float
    seed: int
    stream: int

    @abstractmethod
    def rated(self, block: Block) -> Iterator[tuple[Tile, Float64Array]]:
        """Yield tiles with the rates (n,) of their rows, zero for rows without weight."""

    def identity(self) -> Sampled:
        return Sampled.none(self.most, self.threshold)

    def __call__(self, block: Block) -> Sampled:
        found = [self.identity()]
        for tile, rates in self.rated(block):
            numbers = block.row_numbers(tile.start, tile.start + len(tile.x))
            draws = exponentials(numbers, self.seed, self.stream)
            keys = np.divide(draws, rates, out=np.full_like(draws, np.inf), where=rates > 0)
            sampled = np.flatnonzero(keys < self.threshold)
            if sampled.size:
                columns: Any = (a[sampled] for a in (keys, rates, tile.weights, numbers, tile.x))
                found.append(Sampled(self.most, self.threshold, *columns))
        return Sampled.combine(found)


@dataclass(frozen=True)
class SampleUniform(_Sample):
    """Sample rows of positive weight with rate one."""

    def rated(self, block: Block) -> Iterator[tuple[Tile, Float64Array]]:
        for tile in block.tiles():
            yield tile, (tile.weights > 0).astype(np.float64)


@dataclass(frozen=True)
class SampleSensitive(WithCentroids, _Sample):
    """Sample rows with rates that bound their sensitivity.

    The sensitivity of a row is its largest share in the loss of any centroids. With the centroids
    of an approximate solution the rate is weight * (scale * |x - c|**2 + base[c]) (Feldman and
    Langberg, STOC 2011; Bachem et al., "Practical coreset constructions", 2017, section 4.2).

    Parameters
    ----------
    centroids : ndarray of shape (k, d)
    scale : float, factor of the squared distances
    base : ndarray of shape (k,), rate of a row of weight one at its centroid
    """

    centroids: Float64Array
    scale: float
    base: Float64Array

    def rated(self, block: Block) -> Iterator[tuple[Tile, Float64Array]]:
        centroids = self.prepared(block.dtype)
        for tile in block.tiles():
            labels, d2 = centroids.nearest(tile.x)
            yield tile, tile.weights * (self.scale * d2 + self.base[labels])
