"""Rows of similar directions: cosine similarities above a threshold, decided in float64.

Similarities are products of unit vectors in float32, by BLAS. A pair that is closer to the
threshold than their rounding bound is decided again in float64 from the stored values, so the
result depends on neither BLAS nor the order of the work.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array

BoolArray = npt.NDArray[np.bool_]

_STRIP, _OTHERS = 512, 2048  # rows of one product
_PAIRS_NBYTES = 2**21  # float64 values of pairs that are decided together


@dataclass(frozen=True)
class Directions:
    """Rows, and the vectors of length one in their directions.

    Parameters
    ----------
    rows : ndarray of shape (n, d), of any real dtype
    units : ndarray of shape (n, d), float32; zeros for rows of zeros
    """

    rows: AnyArray
    units: npt.NDArray[np.float32]

    @classmethod
    def from_rows(cls, rows: AnyArray) -> Directions:
        units = np.empty(rows.shape, np.float32)
        for own in _strips(len(rows)):
            x = _scaled(rows[own])
            length = np.sqrt((x * x).sum(axis=1))[:, None]
            units[own] = np.divide(x, length, out=x, where=length > 0)
        return cls(rows, units)

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, chosen: BoolArray) -> Directions:
        """Return some of the rows."""
        return self if chosen.all() else Directions(self.rows[chosen], self.units[chosen])

    def part(self, own: slice) -> Directions:
        """Return consecutive rows, as views."""
        return Directions(self.rows[own], self.units[own])


def near_any(rows: Directions, others: Directions, threshold: float) -> BoolArray:
    """Return which rows (n,) have at least one of the others within the threshold.

    Parameters
    ----------
    rows, others : Directions of the same features
    threshold : float, the smallest cosine similarity of similar rows, above 0
    """
    found = np.zeros(len(rows), bool)
    for own in _strips(len(rows)):
        strip, near = rows.part(own), found[own]
        for some in (others.part(each) for each in _strips(len(others), _OTHERS)):
            sure, doubtful = _compared(strip, some, threshold)
            near |= sure.any(axis=1)
            doubtful[near] = False
            near |= _decided(strip, some, threshold, doubtful).any(axis=1)
            if near.all():
                break
    return found


def independent(rows: Directions, threshold: float) -> BoolArray:
    """Return which rows (n,) are kept if each row is dropped that is near an earlier kept row.

    Parameters
    ----------
    rows : Directions
    threshold : as for `near_any`
    """
    kept = np.zeros(len(rows), bool)
    earlier, n_earlier = Directions(np.empty_like(rows.rows), np.empty_like(rows.units)), 0
    for own in _strips(len(rows)):
        strip = rows.part(own)
        free = ~near_any(strip, earlier.part(slice(n_earlier)), threshold)
        strip = strip.where(free)
        sure, doubtful = _compared(strip, strip, threshold)
        near = np.triu(sure | _decided(strip, strip, threshold, np.triu(doubtful, 1)), 1)
        left = np.ones(len(strip), bool)
        for at in np.flatnonzero(near.any(axis=1)).tolist():
            if left[at]:
                left &= ~near[at]
        strip = strip.where(left)
        free[free] = left
        kept[own] = free
        more = slice(n_earlier, n_earlier + len(strip))
        earlier.rows[more], earlier.units[more] = strip.rows, strip.units
        n_earlier = more.stop
    return kept


def _compared(
    rows: Directions, others: Directions, threshold: float
) -> tuple[BoolArray, BoolArray]:
    """Return which pairs (n, m) are certainly within the threshold, and which may be."""
    similarity = rows.units @ others.units.T
    bound = _bound(rows.units.shape[1])
    sure: BoolArray = similarity >= threshold + bound
    return sure, (similarity >= threshold - bound) & ~sure


def _bound(n_features: int) -> float:
    """Return the bound of the rounding error of a product of two unit vectors in float32.

    |error| <= d u / (1 - d u) for a sum in any order (Higham 2002, section 3.1), and 2 u because
    the vectors are rounded, with u = eps / 2; increased by the errors of the lengths in float64.
    """
    u = float(np.finfo(np.float32).eps) / 2
    share = (n_features + 8) * u
    return 1.01 * share / (1 - share) if share < 0.5 else np.inf


def _decided(
    rows: Directions, others: Directions, threshold: float, doubtful: BoolArray
) -> BoolArray:
    """Return which of the doubtful pairs (n, m) are within the threshold, in float64."""
    near = np.zeros(doubtful.shape, bool)
    which, other = np.nonzero(doubtful)
    step = max(1, _PAIRS_NBYTES // (8 * rows.rows.shape[1]))
    for some in _strips(len(which), step):
        pairs = which[some], other[some]
        near[pairs] = similarities(rows.rows[pairs[0]], others.rows[pairs[1]]) >= threshold
    return near


def similarities(a: AnyArray, b: AnyArray) -> Float64Array:
    """Return the cosine similarity (n,) of each row of `a` (n, d) with that of `b` (n, d).

    It is exactly 1 for equal rows, and 0 where a row is zero.
    """
    x, y = _scaled(a), _scaled(b)
    squares = (x * x).sum(axis=1) * (y * y).sum(axis=1)
    products = (x * y).sum(axis=1)
    return np.asarray(np.divide(products, np.sqrt(squares), np.zeros(len(x)), where=squares > 0))


def _scaled(rows: AnyArray) -> Float64Array:
    """Return rows in float64, divided by powers of two so that no square overflows."""
    x = np.array(rows, np.float64, order="C")
    _, exponents = np.frexp(np.abs(x).max(axis=1, initial=0))
    return np.asarray(np.ldexp(x, -exponents[:, None]))


def _strips(n: int, step: int | None = None) -> Iterator[slice]:
    step = step or _STRIP
    return (slice(start, min(start + step, n)) for start in range(0, n, step))
