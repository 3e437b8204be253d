"""Vector instructions for float64 distances and sums of rows that are stored in float32 or float64.

They have a fixed order and are not fused, so in an `ordered_kernel` no processor changes a bit. In
another kernel Numba lets the compiler change the order of a sum, also differently for each call.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from streamkm.kernels._vectors import load_vector, shuffle, splat, store_vector

_INT32 = ir.IntType(32)
_WIDE = 8  # numbers of a vector


def _summed(builder: Any, value: Any) -> Any:
    while value.type.count > 1:
        half = value.type.count // 2
        halves = [shuffle(builder, value, value, range(i, i + half)) for i in (0, half)]
        value = builder.fadd(*halves)
    return builder.extract_element(value, _INT32(0))


def _pieces(width: int) -> list[tuple[int, int]]:
    """Return the starts and lengths of the vectors of a row; the last overlaps the one before.

    Vectors of 256 bits are faster here than wider ones that cross cache lines.
    """
    lanes = 4 if width >= 4 else min(width, 2)
    return [(min(first, width - lanes), lanes) for first in range(0, width, lanes)]


def _rows(context: Any, builder: Any, kind: Any, array: Any, row: Any, width: int) -> list[Any]:
    """Load a row of `width` numbers as vectors of float64."""
    loaded = [
        load_vector(context, builder, kind, array, (row, ir.Constant(row.type, first)), lanes)
        for first, lanes in _pieces(width)
    ]
    if kind.dtype == types.float64:
        return loaded
    return [builder.fpext(v, ir.VectorType(ir.DoubleType(), v.type.count)) for v in loaded]


def _wide(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    """Load a vector of float64 from array[row, column:]."""
    value = load_vector(context, builder, kind, array, at, _WIDE)
    if kind.dtype == types.float64:
        return value
    return builder.fpext(value, ir.VectorType(ir.DoubleType(), _WIDE))


@intrinsic
def add_squares(typing, total, x, row, centroids, c, column):  # type: ignore[no-untyped-def]
    """Return total + (x[row, column:] - centroids[c, column:]) ** 2 as a vector of float64."""

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        mine = _wide(context, builder, x, args[1], (args[2], args[5]))
        its = _wide(context, builder, centroids, args[3], (args[4], args[5]))
        apart = builder.fsub(mine, its)
        return builder.fadd(args[0], builder.fmul(apart, apart))

    return total(total, x, types.intp, centroids, types.intp, types.intp), code


@intrinsic
def add_columns(typing, sums, c, weight, x, row, column):  # type: ignore[no-untyped-def]
    """Add weight * x[row, column:] to sums[c, column:], for a vector of columns."""

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        mine = _wide(context, builder, x, args[3], (args[4], args[5]))
        place = (args[1], args[5])
        before = _wide(context, builder, sums, args[0], place)
        product = builder.fmul(splat(builder, args[2], _WIDE), mine)
        return store_vector(context, builder, sums, args[0], place, builder.fadd(before, product))

    return types.void(sums, types.intp, types.float64, x, types.intp, types.intp), code


@intrinsic
def summed(typing, vector):  # type: ignore[no-untyped-def]
    """Return the sum of the numbers of a vector, halves first."""

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return _summed(builder, args[0])

    return vector.dtype(vector), code


@intrinsic
def row_distance(typing, x, row, centroids, c, features):  # type: ignore[no-untyped-def]
    """Return the squared distance of row x[row] and centroid centroids[c], in float64."""
    width = len(features)

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        mine = _rows(context, builder, x, args[0], args[1], width)
        its = _rows(context, builder, centroids, args[2], args[3], width)
        apart = [builder.fsub(a, b) for a, b in zip(mine, its, strict=True)]
        lanes = apart[0].type.count
        twice = -width % lanes
        if twice:
            zero, order = ir.Constant(apart[0].type, [0.0] * lanes), range(lanes + twice, 2 * lanes)
            apart[-1] = shuffle(builder, zero, apart[-1], [*range(twice), *order])
        total = builder.fmul(apart[0], apart[0])
        for one in apart[1:]:
            total = builder.fadd(builder.fmul(one, one), total)
        return _summed(builder, total)

    return types.float64(x, types.intp, centroids, types.intp, features), code


@intrinsic
def add_row(typing, sums, c, weight, x, row, features):  # type: ignore[no-untyped-def]
    """Add weight * x[row] to sums[c]."""
    width = len(features)

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        mine = _rows(context, builder, x, args[3], args[4], width)
        totals = _rows(context, builder, sums, args[0], args[1], width)
        # All vectors are loaded before any is stored, so overlapping ones have the same sums.
        for (first, lanes), value, total in zip(_pieces(width), mine, totals, strict=True):
            product = builder.fmul(splat(builder, args[2], lanes), value)
            at = (args[1], ir.Constant(args[1].type, first))
            total = builder.fadd(total, product)
            store_vector(context, builder, sums, args[0], at, total)
        return context.get_dummy_value()

    return types.void(sums, types.intp, types.float64, x, types.intp, features), code
