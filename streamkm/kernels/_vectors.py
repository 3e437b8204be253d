"""Explicit vectors for Numba: what its vectorizer does not find, and as wide as the machine has.

A loop over the rows of a vector register, inside which stands a loop over centroids, is one that
LLVM does not vectorize; nor the few features of one row, because Numba turns that pass (SLP) off;
and loops that it does vectorize are of 256 bits where the machine has 512. Made with Numba's
extension API; LLVM splits the vectors where the machine has none so wide.

Arrays are C-contiguous, and no index is checked. Numba's cache does not look into this file: after
a change here, write its hash into `few`.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

_NBYTES = 64
_FAST = ("contract", "reassoc", "nsz")  # as in `_jit`
_INT32 = ir.IntType(32)


class Vector(types.Type):
    """`lanes` numbers in a register."""

    def __init__(self, dtype: Any, lanes: int) -> None:
        self.dtype, self.lanes = dtype, lanes
        super().__init__(name=f"Vector({dtype}, {lanes})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Vector) -> None:
        element = manager.lookup(kind.dtype).get_value_type()
        super().__init__(manager, kind, ir.VectorType(element, kind.lanes))


def lanes_of(dtype: Any) -> int:
    return _NBYTES * 8 // int(dtype.bitwidth)


def _place(context: Any, builder: Any, kind: Any, array: Any, at: Any, lanes: int) -> Any:
    """Where `lanes` elements of an array lie from (row, column), or from (at,), on."""
    struct = context.make_array(kind)(context, builder, array)
    index = at[-1]
    if kind.ndim == 2:
        width = builder.extract_value(struct.shape, 1)
        index = builder.add(builder.mul(at[0], width), index)
    vector = ir.VectorType(context.get_value_type(kind.dtype), lanes)
    return builder.bitcast(builder.gep(struct.data, [index]), vector.as_pointer())


def _load(context: Any, builder: Any, kind: Any, array: Any, at: Any, lanes: int) -> Any:
    value = builder.load(_place(context, builder, kind, array, at, lanes))
    value.align = kind.dtype.bitwidth // 8
    return value


def _store(context: Any, builder: Any, kind: Any, array: Any, at: Any, value: Any) -> Any:
    where = _place(context, builder, kind, array, at, value.type.count)
    builder.store(value, where).align = kind.dtype.bitwidth // 8
    return context.get_dummy_value()


def _shuffle(builder: Any, a: Any, b: Any, lanes: Any) -> Any:
    order = ir.Constant(ir.VectorType(_INT32, len(lanes)), list(lanes))
    return builder.shuffle_vector(a, b, order)


def _splat(builder: Any, value: Any, lanes: int) -> Any:
    empty = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    return _shuffle(builder, builder.insert_element(empty, value, _INT32(0)), empty, [0] * lanes)


def _summed(builder: Any, value: Any) -> Any:
    while value.type.count > 1:
        half = value.type.count // 2
        halves = [_shuffle(builder, value, value, range(i, i + half)) for i in (0, half)]
        value = builder.fadd(*halves, flags=_FAST)
    return builder.extract_element(value, _INT32(0))


@intrinsic
def load(typing, array, row, column):  # type: ignore[no-untyped-def]
    """As many numbers as fill a vector, array[row, column:]."""
    kind = Vector(array.dtype, lanes_of(array.dtype))

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return _load(context, builder, array, args[0], args[1:], kind.lanes)

    return kind(array, types.intp, types.intp), code


@intrinsic
def store(typing, array, at, vector):  # type: ignore[no-untyped-def]
    """Write a vector to array[at:]."""

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return _store(context, builder, array, args[0], args[1:2], args[2])

    return types.void(array, types.intp, vector), code


@intrinsic
def fill(typing, value, like):  # type: ignore[no-untyped-def]
    """A vector of one number, as long as `like`."""
    kind = Vector(value, like.lanes)

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return _splat(builder, args[0], like.lanes)

    return kind(value, like), code


@intrinsic
def plus_times(typing, total, factor, vector):  # type: ignore[no-untyped-def]
    """total + factor * vector, of a number `factor`."""

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        product = builder.fmul(_splat(builder, args[1], vector.lanes), args[2], flags=_FAST)
        return builder.fadd(args[0], product, flags=_FAST)

    return vector(vector, vector.dtype, vector), code


@intrinsic
def where_less(typing, a, b, then, other):  # type: ignore[no-untyped-def]
    """`then` where a < b, else `other`, by lane."""

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.select(builder.fcmp_ordered("<", args[0], args[1]), args[2], args[3])

    return then(a, b, then, then), code


@intrinsic
def columns_of_four(typing, x, row, column, origin, columns, at):  # type: ignore[no-untyped-def]
    """Four features of a vector of rows, less their origin, to columns[column:, at:].

    Rows 0, 4, 8, ... of them are loaded into one vector, rows 1, 5, ... into a second, and so on,
    and these are transposed four by four.
    """
    lanes = lanes_of(x.dtype)

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        def number(value: int) -> Any:
            return ir.Constant(args[1].type, value)

        def joined(parts: list[Any]) -> Any:
            while len(parts) > 1:
                both = range(2 * parts[0].type.count)
                pairs = zip(parts[::2], parts[1::2], strict=True)
                parts = [_shuffle(builder, a, b, both) for a, b in pairs]
            return parts[0]

        def mixed(a: Any, b: Any, order: tuple[int, ...]) -> Any:
            fours = range(0, lanes, 4)
            return _shuffle(
                builder, a, b, [f + o if o < 4 else f + o - 4 + lanes for f in fours for o in order]
            )

        four = _load(context, builder, origin, args[3], args[2:3], 4)
        moved = joined([four] * (lanes // 4))
        rows = []
        for first in range(4):
            parts = [
                _load(context, builder, x, args[0], (builder.add(args[1], number(i)), args[2]), 4)
                for i in range(first, lanes, 4)
            ]
            rows.append(builder.fsub(joined(parts), moved))
        left, right = (0, 4, 1, 5), (2, 6, 3, 7)
        halves = [mixed(a, b, o) for a, b in (rows[:2], rows[2:]) for o in (left, right)]
        for i in range(4):
            order = (2, 3, 6, 7) if i % 2 else (0, 1, 4, 5)
            column = mixed(halves[i // 2], halves[2 + i // 2], order)
            to = (builder.add(args[2], number(i)), args[5])
            _store(context, builder, columns, args[4], to, column)
        return context.get_dummy_value()

    index = types.intp
    return types.void(x, index, index, origin, columns, index), code


def _pieces(width: int) -> list[tuple[int, int]]:
    """Where the vectors of a row begin, and their lengths; the last overlaps the one before.

    Of 256 bits, which are faster here than wider ones that lie across two cache lines.
    """
    lanes = 4 if width >= 4 else min(width, 2)
    return [(min(first, width - lanes), lanes) for first in range(0, width, lanes)]


def _rows(context: Any, builder: Any, kind: Any, array: Any, row: Any, width: int) -> list[Any]:
    """A row of `width` numbers in vectors of float64."""
    loaded = [
        _load(context, builder, kind, array, (row, ir.Constant(row.type, first)), lanes)
        for first, lanes in _pieces(width)
    ]
    if kind.dtype == types.float64:
        return loaded
    return [builder.fpext(v, ir.VectorType(ir.DoubleType(), v.type.count)) for v in loaded]


@intrinsic
def row_distance(typing, x, row, centroids, c, features):  # type: ignore[no-untyped-def]
    """The squared distance of row x[row] and centroid centroids[c], in float64."""
    width = len(features)

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        mine = _rows(context, builder, x, args[0], args[1], width)
        its = _rows(context, builder, centroids, args[2], args[3], width)
        apart = [builder.fsub(a, b) for a, b in zip(mine, its, strict=True)]
        lanes = apart[0].type.count
        twice = -width % lanes
        if twice:
            zero, order = ir.Constant(apart[0].type, [0.0] * lanes), range(lanes + twice, 2 * lanes)
            apart[-1] = _shuffle(builder, zero, apart[-1], [*range(twice), *order])
        total = builder.fmul(apart[0], apart[0], flags=_FAST)
        for one in apart[1:]:
            total = builder.fadd(builder.fmul(one, one, flags=_FAST), total, flags=_FAST)
        return _summed(builder, total)

    return types.float64(x, types.intp, centroids, types.intp, features), code


@intrinsic
def add_row(typing, sums, c, weight, x, row, features):  # type: ignore[no-untyped-def]
    """sums[c] += weight * x[row]."""
    width = len(features)

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        mine = _rows(context, builder, x, args[3], args[4], width)
        totals = _rows(context, builder, sums, args[0], args[1], width)
        # All are loaded before any is stored: where two overlap, both hold the same sums.
        for (first, lanes), value, total in zip(_pieces(width), mine, totals, strict=True):
            product = builder.fmul(_splat(builder, args[2], lanes), value, flags=_FAST)
            at = (args[1], ir.Constant(args[1].type, first))
            total = builder.fadd(total, product, flags=_FAST)
            _store(context, builder, sums, args[0], at, total)
        return context.get_dummy_value()

    return types.void(sums, types.intp, types.float64, x, types.intp, features), code
