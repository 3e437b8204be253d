"""Explicit vector instructions for Numba, where its automatic vectorization is not sufficient.

LLVM does not vectorize an outer loop over rows with an inner loop over centroids. It does not
vectorize the few features of one row, because Numba disables that pass (SLP). The loops that it
vectorizes use 256 bits on machines with 512. These instructions use Numba's extension API; LLVM
splits the vectors where the machine has narrower registers.

Arrays are C-contiguous, and indices are not checked.
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
    """Type of `lanes` numbers in a vector register."""

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
    """Return the pointer to `lanes` elements of an array from (row, column) or (at,) on."""
    struct = context.make_array(kind)(context, builder, array)
    index = at[-1]
    if kind.ndim == 2:
        width = builder.extract_value(struct.shape, 1)
        index = builder.add(builder.mul(at[0], width), index)
    vector = ir.VectorType(context.get_value_type(kind.dtype), lanes)
    return builder.bitcast(builder.gep(struct.data, [index]), vector.as_pointer())


def load_vector(context: Any, builder: Any, kind: Any, array: Any, at: Any, lanes: int) -> Any:
    """Emit a load from array[row, column:] or array[at:], for an intrinsic."""
    value = builder.load(_place(context, builder, kind, array, at, lanes))
    value.align = kind.dtype.bitwidth // 8
    return value


def store_vector(context: Any, builder: Any, kind: Any, array: Any, at: Any, value: Any) -> Any:
    """Emit a store to array[row, column:] or array[at:]."""
    where = _place(context, builder, kind, array, at, value.type.count)
    builder.store(value, where).align = kind.dtype.bitwidth // 8
    return context.get_dummy_value()


def shuffle(builder: Any, a: Any, b: Any, lanes: Any) -> Any:
    """Emit the vector of the given lanes of two vectors."""
    order = ir.Constant(ir.VectorType(_INT32, len(lanes)), list(lanes))
    return builder.shuffle_vector(a, b, order)


def splat(builder: Any, value: Any, lanes: int) -> Any:
    """Emit a vector of one repeated number."""
    empty = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    return shuffle(builder, builder.insert_element(empty, value, _INT32(0)), empty, [0] * lanes)


@intrinsic
def load(typing, array, row, column):  # type: ignore[no-untyped-def]
    """Load a vector from array[row, column:]."""
    kind = Vector(array.dtype, lanes_of(array.dtype))

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return load_vector(context, builder, array, args[0], args[1:], kind.lanes)

    return kind(array, types.intp, types.intp), code


@intrinsic
def load_like(typing, array, at, like):  # type: ignore[no-untyped-def]
    """Load a vector of the length of `like` from array[at:]."""
    kind = Vector(array.dtype, like.lanes)

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return load_vector(context, builder, array, args[0], args[1:2], kind.lanes)

    return kind(array, types.intp, like), code


@intrinsic
def store(typing, array, at, vector):  # type: ignore[no-untyped-def]
    """Write a vector to array[at:]."""

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return store_vector(context, builder, array, args[0], args[1:2], args[2])

    return types.void(array, types.intp, vector), code


@intrinsic
def fill(typing, value, like):  # type: ignore[no-untyped-def]
    """Return a vector of one repeated number, with the length of `like`."""
    kind = Vector(value, like.lanes)

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return splat(builder, args[0], like.lanes)

    return kind(value, like), code


@intrinsic
def plus_times(typing, total, factor, vector):  # type: ignore[no-untyped-def]
    """Return total + factor * vector for a scalar `factor`."""

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        product = builder.fmul(splat(builder, args[1], vector.lanes), args[2], flags=_FAST)
        return builder.fadd(args[0], product, flags=_FAST)

    return vector(vector, vector.dtype, vector), code


@intrinsic
def where_less(typing, a, b, then, other):  # type: ignore[no-untyped-def]
    """Return `then` where a < b, else `other`, for each lane."""

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.select(builder.fcmp_ordered("<", args[0], args[1]), args[2], args[3])

    return then(a, b, then, then), code


@intrinsic
def columns_of_four(typing, x, row, column, origin, columns, at):  # type: ignore[no-untyped-def]
    """Store four features of a vector of rows minus their origin in columns[column:, at:].

    Rows 0, 4, 8, ... are loaded into one vector, rows 1, 5, ... into a second, and so on. The
    vectors are then transposed in groups of four by four.
    """
    lanes = lanes_of(x.dtype)

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        def number(value: int) -> Any:
            return ir.Constant(args[1].type, value)

        def joined(parts: list[Any]) -> Any:
            while len(parts) > 1:
                both = range(2 * parts[0].type.count)
                pairs = zip(parts[::2], parts[1::2], strict=True)
                parts = [shuffle(builder, a, b, both) for a, b in pairs]
            return parts[0]

        def mixed(a: Any, b: Any, order: tuple[int, ...]) -> Any:
            fours = range(0, lanes, 4)
            return shuffle(
                builder, a, b, [f + o if o < 4 else f + o - 4 + lanes for f in fours for o in order]
            )

        four = load_vector(context, builder, origin, args[3], args[2:3], 4)
        moved = joined([four] * (lanes // 4))
        rows = []
        for first in range(4):
            parts = [
                load_vector(
                    context, builder, x, args[0], (builder.add(args[1], number(i)), args[2]), 4
                )
                for i in range(first, lanes, 4)
            ]
            rows.append(builder.fsub(joined(parts), moved))
        left, right = (0, 4, 1, 5), (2, 6, 3, 7)
        halves = [mixed(a, b, o) for a, b in (rows[:2], rows[2:]) for o in (left, right)]
        for i in range(4):
            order = (2, 3, 6, 7) if i % 2 else (0, 1, 4, 5)
            column = mixed(halves[i // 2], halves[2 + i // 2], order)
            to = (builder.add(args[2], number(i)), args[5])
            store_vector(context, builder, columns, args[4], to, column)
        return context.get_dummy_value()

    index = types.intp
    return types.void(x, index, index, origin, columns, index), code


@intrinsic
def columns_of_few(typing, x, row, origin, columns, at, features):  # type: ignore[no-untyped-def]
    """Store a vector of rows minus their origin in columns[:, at:], for one to three features.

    The rows are loaded as one vector, from which each column takes its numbers.
    """
    lanes, width = lanes_of(x.dtype), len(features)

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        def number(value: int) -> Any:
            return ir.Constant(args[1].type, value)

        if width > 3:  # the caller's branch for few features is compiled but never taken
            return context.get_dummy_value()
        index = builder.mul(args[1], number(width))
        struct = context.make_array(x)(context, builder, args[0])
        flat = ir.VectorType(context.get_value_type(x.dtype), lanes * width)
        rows = builder.load(builder.bitcast(builder.gep(struct.data, [index]), flat.as_pointer()))
        rows.align = x.dtype.bitwidth // 8
        for j in range(width):
            column = shuffle(builder, rows, rows, range(j, lanes * width, width))
            moved = builder.load(_place(context, builder, origin, args[2], (number(j),), 1))
            moved = splat(builder, builder.extract_element(moved, _INT32(0)), lanes)
            to = (number(j), args[4])
            store_vector(context, builder, columns, args[3], to, builder.fsub(column, moved))
        return context.get_dummy_value()

    return types.void(x, types.intp, origin, columns, types.intp, features), code
