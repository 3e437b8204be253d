"""Leading directions of centroids, and the bounds of distances that projections on them give.

The directions are those of a randomised subspace iteration (Halko, Martinsson and Tropp 2011, SIAM
Review 53(2), section 4.5) on the centroids about their mean. They leave out as little of the
centroids as possible. They affect the time of a step only, never a label.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray, Float64Array, FloatArray
from streamkm.kernels._once import Once
from streamkm.kernels.blas import one_blas_thread
from streamkm.kernels.pruned import BLOCK, PANEL, choose_directions

_DIRECTIONS = (6, 14, 30, 62, 126)  # a multiple of 8 with the two other columns of a bound
_FIRST = 30  # directions that are computed first
_HOPEFUL = 0.25  # share of pairs that these may leave where more directions are worth a trial
_ITERATIONS = 2  # of the subspace iteration
_SAMPLE = 1024  # centroids from which the directions are computed
# Costs in multiplications of a matrix product, by measurement [docs/benchmarks.md].
_BOUND = 8  # of a comparison of a bound or a score
_FEATURE = 6  # of a feature of a pair that is measured
_ROW = 40  # of a feature of a row, beyond those of a plain product
_WORTH = 0.49  # share of the cost of a plain product up to which bounds are used
_PART = 64  # approximate number of features of a part of a row


class Leading:
    """Projections of centroids on their leading directions.

    Parameters
    ----------
    values : ndarray of shape (k, d), float64
    origin : ndarray of shape (d,), of the precision of the tiles
    choices : numbers of directions
    more : larger numbers of directions, computed once a tile needs them
    """

    def __init__(
        self, values: Float64Array, origin: FloatArray, choices: list[int], more: list[int]
    ) -> None:
        k, d = values.shape
        centred = values - origin
        self._dtype = origin.dtype
        self._lengths = np.einsum("kd,kd->k", centred, centred)
        n_parts = max(1, round(d / _PART))
        size = 8 * math.ceil(d / n_parts / 8)
        n_parts = math.ceil(d / size)
        self._shape = (n_parts, size)
        self._origin = self._in_parts(origin)
        self._parts = self._in_parts(centred.astype(self._dtype)).reshape(k, n_parts, size)
        # Several threads of BLAS would round the directions differently, so the choice of a tile,
        # and with it its gaps, would depend on the scheduler.
        with one_blas_thread():
            some = centred[:: math.ceil(k / _SAMPLE)]
            self._basis, self._defect = leading_directions(some, choices[-1])
            projected = centred @ self._basis
        self._rounded_basis = self._basis.astype(self._dtype)
        columns = np.ascontiguousarray(-2 * projected.T, self._dtype)
        residuals = np.array([self._residuals(projected[:, :p]) for p in choices], self._dtype)
        margins = np.array([self._margins(p) for p in choices], self._dtype)
        norms = self._lengths.astype(self._dtype)
        costs = [*(_cost(p, k, d) for p in choices), _FEATURE * d, _limit(k, d)]
        columns_of = (columns, residuals, norms)
        self._trial = (np.array(choices), columns_of, margins, np.array(costs, np.float64))
        self._made: dict[int, Any] = {}
        self._least = _cost(more[0], k, d) if more else math.inf
        # More directions cost several times as much to compute.
        shared = (self._parts, self._lengths)
        self._wider = Once(partial(_with_more, values, origin, more, shared))

    @classmethod
    def from_centroids(cls, values: Float64Array, origin: FloatArray) -> Leading | None:
        """Return the directions, or None if bounds cannot cost less than a plain product."""
        k, d = values.shape
        useful = [p for p in _DIRECTIONS if p <= min(d, k) // 2 and _cost(p, k, d) < _limit(k, d)]
        first = [p for p in useful if p <= _FIRST]
        return cls(values, origin, first, useful[len(first) :]) if useful else None

    def choose(self, x: FloatArray) -> Any:
        """Return the arguments of `pruned_features` for a tile, or None for a plain product.

        The choice depends on the tile and the centroids only: it is the same on every scheduler.
        """
        return self._cheapest(x)[1]

    def _cheapest(self, x: FloatArray) -> tuple[float, Any]:
        """Return the cost of the cheapest choice for a tile, and its arguments."""
        chosen, cost, share = choose_directions(
            x, self._origin, self._parts, self._rounded_basis, self._trial
        )
        if self._least < cost and share <= _HOPEFUL:
            wider_cost, arguments = self._wider()._cheapest(x)
            if wider_cost < cost:
                return wider_cost, arguments
        return cost, None if chosen < 0 else self._arguments(chosen)

    def _in_parts(self, values: AnyArray) -> AnyArray:
        """Return an array whose last axis is filled up with zeros to whole parts."""
        n_parts, size = self._shape
        whole = np.zeros((*values.shape[:-1], n_parts * size), values.dtype)
        whole[..., : values.shape[-1]] = values
        return whole

    def _error(self, p: int) -> float:
        """Return the error of a projection on p directions, relative to the length of a row."""
        unit = float(np.finfo(self._dtype).eps) / 2
        factor: int = sum(self._shape) + 4
        return factor * unit * math.sqrt(p) + self._defect

    def _margins(self, p: int) -> FloatArray:
        """Return the factors of the rounding errors, as `pruned_features` expects them.

        Sums over features have m = size + number of parts as the factor of their error (Higham
        2002, section 4.2), in units of half an epsilon. All factors are increased by half.
        """
        limits, double = np.finfo(self._dtype), float(np.finfo(np.float64).eps) / 2
        unit, m, error = float(limits.eps) / 2, sum(self._shape), self._error(p)
        d = len(self._basis)
        residual = 2 * (m + p + 8) * unit + 2 * error
        # The distance and the length of a row, the sum of p + 2 products, and the projections.
        bound = (2 * m + 16 + 2 * (p + 6)) * unit + error + 2 * (d + 8) * double
        longest = np.sqrt(self._lengths.max()) * (1 + 4 * unit)
        factor = 1.5 * bound
        largest = factor * float(limits.max) / 64
        relative = 1.5 * ((m + 8) * unit + (d + 8) * double)
        margins = [1.5 * residual, factor, longest, largest, relative, 2 * unit]
        return np.array(margins, self._dtype)

    def _residuals(self, projected: Float64Array) -> Float64Array:
        """Return -2 s (k,), with s an upper bound of what the projections (k, p) leave out."""
        rest = self._lengths - np.einsum("kp,kp->k", projected, projected)
        double = float(np.finfo(np.float64).eps)
        margin = (2 * self._defect + 4 * (len(self._basis) + 8) * double) * self._lengths
        above = np.sqrt(np.maximum(rest, 0) + margin) * (1 + 2 * float(np.finfo(self._dtype).eps))
        residuals: Float64Array = -2 * above
        return residuals

    def _arguments(self, chosen: int) -> Any:
        if chosen not in self._made:
            choices, (columns, residuals, norms), margins, _ = self._trial
            k, p = len(self._lengths), choices[chosen]
            n_panels = math.ceil(k / PANEL)
            panel = BLOCK * math.ceil(k / n_panels / BLOCK)
            padded = np.zeros((p + 2, n_panels * panel), self._dtype)
            padded[-1] = np.finfo(self._dtype).max / 4  # padding is far from all rows
            padded[:p, :k], padded[p, :k], padded[p + 1, :k] = columns[:p], residuals[chosen], norms
            short = np.ascontiguousarray(padded.reshape(p + 2, n_panels, panel).swapaxes(0, 1))
            basis = np.zeros((*self._shape, p + 2), self._dtype)
            basis.reshape(-1, p + 2)[: len(self._basis), :p] = self._rounded_basis[:, :p]
            self._made[chosen] = (self._origin, self._parts, basis, short, margins[chosen])
        return self._made[chosen]


def _with_more(
    values: Float64Array, origin: FloatArray, more: list[int], shared: tuple[AnyArray, AnyArray]
) -> Leading:
    """Return the projections on more directions, which share the centroids with the others."""
    wider = Leading(values, origin, more, [])
    wider._parts, wider._lengths = shared
    return wider


def _cost(p: int, k: int, d: int) -> float:
    """Return the cost of a row with p directions, before any pair is measured."""
    return (p + 2) * (d + k) + _BOUND * k + _ROW * d


def _limit(k: int, d: int) -> float:
    """Return the cost of a row up to which bounds are used."""
    return _WORTH * k * (d + _BOUND)


def leading_directions(centred: Float64Array, p: int) -> tuple[Float64Array, float]:
    """Return p orthonormal directions (d, p), which leave out little of the rows, and their defect.

    The most important direction is the first. The defect is the Frobenius norm of the difference of
    their products from the identity.
    """
    with one_blas_thread():
        return _directions(centred, p)


def _directions(centred: Float64Array, p: int) -> tuple[Float64Array, float]:
    rows = centred.astype(np.float32)
    rows /= max(float(np.abs(rows).max(initial=0)), float(np.finfo(np.float32).tiny))
    basis = np.random.default_rng(0).standard_normal((rows.shape[1], p), np.float32)
    for _ in range(_ITERATIONS):
        basis, _ = np.linalg.qr(rows.T @ (rows @ basis))
    projected = rows.astype(np.float64) @ basis
    _, turned = np.linalg.eigh(projected.T @ projected)
    exact, _ = np.linalg.qr(basis.astype(np.float64) @ turned[:, ::-1])
    return exact, float(np.linalg.norm(exact.T @ exact - np.eye(p)))
