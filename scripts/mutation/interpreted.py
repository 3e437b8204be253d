"""A plugin of pytest that runs the kernels in Python, for NUMBA_DISABLE_JIT=1.

Numba emits the vector instructions of `_vectors`, `_wide` and `_products`; these stand-ins do the
same to NumPy arrays, so that the loops that use them can be measured and changed without compiling
them. Tests that would take long fail, and are not used.
"""

from __future__ import annotations

import signal
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from streamkm.kernels import _settling, few, many

_NBYTES, _WIDE = 64, 8
_SECONDS = 2.0  # of the processor, for a test
Array = np.ndarray[Any, Any]


def load(array: Array, row: int, column: int) -> Array:
    return array[row, column : column + _NBYTES // array.itemsize].copy()


def load_like(array: Array, at: int, like: Array) -> Array:
    return array[at : at + len(like)].copy()


def store(array: Array, at: int, vector: Array) -> None:
    array[at : at + len(vector)] = vector


def fill(value: Any, like: Array) -> Array:
    return np.full(len(like), value)


def plus_times(total: Array, factor: Any, vector: Array) -> Array:
    return total + factor * vector


def where_less(a: Array, b: Array, then: Array, other: Array) -> Array:
    return np.where(a < b, then, other)


def columns_of_four(
    x: Array, row: int, column: int, origin: Array, columns: Array, at: int
) -> None:
    lanes = _NBYTES // x.itemsize
    four = slice(column, column + 4)
    columns[four, at : at + lanes] = (x[row : row + lanes, four] - origin[four]).T


def columns_of_few(
    x: Array, row: int, origin: Array, columns: Array, at: int, features: tuple[int, ...]
) -> None:
    lanes = _NBYTES // x.itemsize
    columns[:, at : at + lanes] = (x[row : row + lanes] - origin[: len(features)]).T


def add_squares(total: Array, x: Array, row: int, centroids: Array, c: int, column: int) -> Array:
    apart = x[row, column : column + _WIDE].astype(float) - centroids[c, column : column + _WIDE]
    return total + apart * apart


def add_columns(sums: Array, c: int, weight: float, x: Array, row: int, column: int) -> None:
    sums[c, column : column + _WIDE] += weight * x[row, column : column + _WIDE].astype(float)


def summed(vector: Array) -> Any:
    while len(vector) > 1:
        vector = vector[: len(vector) // 2] + vector[len(vector) // 2 :]
    return vector[0]


def row_distance(x: Array, row: int, centroids: Array, c: int, features: tuple[int, ...]) -> Any:
    apart = x[row].astype(float) - centroids[c]
    return float((apart * apart).sum())


def add_row(
    sums: Array, c: int, weight: float, x: Array, row: int, features: tuple[int, ...]
) -> None:
    sums[c] += weight * x[row].astype(float)


def products(
    rows: Any, which: Array, at: int, ready: Any, first: int, scores: Array, shape: Any
) -> None:
    (x, start, moved, use), (packed, norms), (group, panel) = rows, ready, shape
    lanes, d = _NBYTES // x.itemsize, x.shape[1]
    width = lanes * len(panel)
    places = which[at : at + len(group)]
    own = packed[first * d * lanes :][: d * width].reshape(d, width)
    products = (moved[places] if use else x[start + places]) @ own
    scores[:, :width] = norms[first * lanes :][:width] + products


def lowest_of(best: Array, second: Array, label: Array, at: int) -> tuple[Any, Any, Any]:
    lanes = slice(at, at + _NBYTES // best.itemsize)
    lane = int(best[lanes].argmin())
    others = np.concatenate([np.delete(best[lanes], lane), second[lanes]])
    return best[at + lane], others.min(), label[at + lane] + lane


def _replace(module: ModuleType) -> None:
    for stand_in in (
        load, load_like, store, fill, plus_times, where_less, columns_of_four, columns_of_few,
        add_squares, add_columns, summed, row_distance, add_row, products, lowest_of,
    ):  # fmt: skip
        if hasattr(module, stand_in.__name__):
            setattr(module, stand_in.__name__, stand_in)


def _stop(*_: Any) -> None:
    pytest.fail("this test takes too long in Python")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Any:
    signal.signal(signal.SIGVTALRM, _stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, _SECONDS)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


for _module in (few, many, _settling):
    _replace(_module)
