"""Products of rows and centroids in vector registers, without a copy of the rows.

A BLAS copies both factors into its own order for every product. Here the centroids are in that
order for the whole read, and the rows are used where they are. The products of a group of rows and
the centroids of a panel are summed in registers; every `CHUNK` features, they are added to sums in
memory, so that the rounding error is that of a sum of `CHUNK` features plus the number of chunks.
"""

from __future__ import annotations

import math
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import config
from numba.extending import intrinsic

from streamkm.arrays import FloatArray
from streamkm.kernels._vectors import lanes_of, load_vector, shuffle, splat, store_vector

CHUNK = 128  # features whose products are summed in registers
_NBYTES = 64
_FUSED = ("contract",)  # one instruction for a product and its addition, where there is one


def _features() -> str:
    """Return the instructions for which Numba compiles."""
    found = config.CPU_FEATURES
    return str(llvmlite.binding.get_host_cpu_features().flatten() if found is None else found)


# The rows of a group and the vectors of a panel, with which the sums fill the registers. Tuples,
# because their lengths are known to the compiler.
_MANY = "+avx512f" in _features()
GROUP = (0,) * (12 if _MANY else 6)
PANEL = (0,) * (2 if _MANY else 1)
LAST = (0,)  # a panel of one vector


def packed_panels(scaled: FloatArray) -> FloatArray:
    """Return centroids (k, d) in the order of `products`: panel by panel, feature by feature.

    The last panel is filled up to one vector or to a whole panel with zeros.
    """
    k, d = scaled.shape
    lanes = _NBYTES // scaled.itemsize
    whole = np.zeros((lanes * math.ceil(k / lanes), d), scaled.dtype)
    whole[:k] = scaled
    width = lanes * len(PANEL)
    panels = [whole[first : first + width].T.ravel() for first in range(0, len(whole), width)]
    return np.concatenate(panels)


class _Code:
    """Emitter of the sums of a group of rows and a panel of centroids.

    Parameters
    ----------
    rows : pointers to the rows
    column : pointer to the panel in the packed centroids
    norms : vectors of the norms of the panel
    d : number of features
    """

    def __init__(self, builder: Any, rows: list[Any], column: Any, norms: list[Any], d: Any):
        self.builder, self.rows, self.column, self.d = builder, rows, column, d
        self.norms, self.kind = norms, norms[0].type
        self.pairs = [(r, v) for r in range(len(rows)) for v in range(len(norms))]

    def blocks(self, *names: str) -> list[Any]:
        return [self.builder.append_basic_block(name) for name in names]

    def number(self, value: int) -> Any:
        return ir.Constant(self.d.type, value)

    def centroids(self, feature: Any) -> list[Any]:
        """Emit loads of one feature of the centroids of the panel."""
        builder, lanes, found = self.builder, self.kind.count, []
        width = self.number(lanes * len(self.norms))
        column = builder.gep(self.column, [builder.mul(feature, width)])
        for v in range(len(self.norms)):
            vector = builder.gep(column, [self.number(v * lanes)])
            found.append(builder.load(builder.bitcast(vector, self.kind.as_pointer())))
            found[-1].align = _NBYTES // lanes
        return found

    def chunk(self, start: Any, stop: Any, begins: list[Any]) -> dict[tuple[int, int], Any]:
        """Emit the loop over the features of a chunk; return its sums, which begin as given."""
        builder, before = self.builder, self.builder.block
        inner, after = self.blocks("inner", "after")
        builder.branch(inner)
        builder.position_at_end(inner)
        feature = builder.phi(self.d.type)
        feature.add_incoming(start, before)
        sums = {pair: builder.phi(self.kind) for pair in self.pairs}
        centroids, added = self.centroids(feature), {}
        for r, row in enumerate(self.rows):
            value = splat(builder, builder.load(builder.gep(row, [feature])), self.kind.count)
            for v, centroid in enumerate(centroids):
                product = builder.fmul(value, centroid, flags=_FUSED)
                added[r, v] = builder.fadd(product, sums[r, v], flags=_FUSED)
        following = builder.add(feature, self.number(1))
        feature.add_incoming(following, inner)
        for pair in self.pairs:
            sums[pair].add_incoming(begins[pair[1]], before)
            sums[pair].add_incoming(added[pair], inner)
        builder.cbranch(builder.icmp_signed("<", following, stop), inner, after)
        builder.position_at_end(after)
        return added

    def scores(self, load: Any, store: Any) -> None:
        """Emit the loop over the chunks; `load` and `store` use the scores of a pair in memory."""
        builder, before = self.builder, self.builder.block
        chunk, add, keep, done = self.blocks("chunk", "add", "keep", "done")
        builder.branch(chunk)
        builder.position_at_end(chunk)
        start = builder.phi(self.d.type)
        start.add_incoming(self.number(0), before)
        stop = builder.add(start, self.number(CHUNK))
        stop = builder.select(builder.icmp_signed("<", stop, self.d), stop, self.d)
        is_first = builder.icmp_signed("==", start, self.number(0))
        zero = ir.Constant(self.kind, [0.0] * self.kind.count)
        sums = self.chunk(start, stop, [builder.select(is_first, n, zero) for n in self.norms])
        after = builder.block
        builder.cbranch(is_first, keep, add)
        builder.position_at_end(add)
        totals = {pair: builder.fadd(load(*pair), sums[pair]) for pair in self.pairs}
        builder.branch(keep)
        builder.position_at_end(keep)
        for pair in self.pairs:
            total = builder.phi(self.kind)
            total.add_incoming(sums[pair], after)
            total.add_incoming(totals[pair], add)
            totals[pair] = total
        for pair in self.pairs:
            store(*pair, totals[pair])
        start.add_incoming(stop, keep)
        builder.cbranch(builder.icmp_signed("<", stop, self.d), chunk, done)
        builder.position_at_end(done)


@intrinsic
def products(typing, rows, which, at, ready, first, scores, shape):  # type: ignore[no-untyped-def]
    """Write norms + products of a group of rows with the centroids of a panel to `scores`.

    `rows` is (x, start, moved, use): the rows are moved[which[at + r]] with `use`, else
    x[start + which[at + r]]. `ready` is (packed centroids, norms), and `first` the first vector of
    the panel, counted in vectors of centroids. `shape` is a group and a panel.
    """
    x, _, moved, _ = rows
    packed, norms = ready
    lanes, (group, panel) = lanes_of(x.dtype), map(len, shape)

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        def of(pair: Any, at: int) -> Any:
            return builder.extract_value(pair, at)

        def array(kind: Any, value: Any) -> Any:
            return context.make_array(kind)(context, builder, value)

        mine = array(x, of(args[0], 0))
        d = builder.extract_value(mine.shape, 1)
        there = builder.gep(mine.data, [builder.mul(of(args[0], 1), d)])
        use = context.cast(builder, of(args[0], 3), types.boolean, types.boolean)
        use = builder.icmp_signed("!=", use, ir.Constant(use.type, 0))
        base = builder.select(use, array(moved, of(args[0], 2)).data, there)

        def number(value: int) -> Any:
            return ir.Constant(d.type, value)

        pointers = []
        for r in range(group):
            place = builder.gep(array(which, args[1]).data, [builder.add(args[2], number(r))])
            pointers.append(builder.gep(base, [builder.mul(builder.load(place), d)]))
        column = builder.mul(args[4], number(lanes))
        of_panel = [
            load_vector(
                context, builder, norms, of(args[3], 1),
                (builder.add(column, number(v * lanes)),), lanes,
            )
            for v in range(panel)
        ]  # fmt: skip
        own = builder.gep(array(packed, of(args[3], 0)).data, [builder.mul(column, d)])

        def load(r: int, v: int) -> Any:
            place = number(r), number(v * lanes)
            return load_vector(context, builder, scores, args[5], place, lanes)

        def store(r: int, v: int, total: Any) -> None:
            place = number(r), number(v * lanes)
            store_vector(context, builder, scores, args[5], place, total)

        _Code(builder, pointers, own, of_panel, d).scores(load, store)
        return context.get_dummy_value()

    index = types.intp
    return types.void(rows, which, index, ready, index, scores, shape), code


@intrinsic
def lowest_of(typing, best, second, label, at):  # type: ignore[no-untyped-def]
    """Return the lowest and second lowest score of a row, and the centroid of the lowest.

    The arrays hold, from `at` on, one candidate of each lane of the vectors: its two lowest scores,
    and the first centroid of the vector with the lowest.
    """
    lanes = lanes_of(best.dtype)
    kind = types.Tuple((best.dtype, best.dtype, label.dtype))

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        low, following, where = (
            load_vector(context, builder, array, value, args[3:4], lanes)
            for array, value in zip((best, second, label), args[:3], strict=True)
        )
        where = builder.add(where, ir.Constant(where.type, list(range(lanes))))
        while low.type.count > 1:
            half = low.type.count // 2

            def halves(vector: Any, half: int = half) -> Any:
                return (
                    shuffle(builder, vector, vector, range(first, first + half))
                    for first in (0, half)
                )

            def lower(a: Any, b: Any) -> Any:
                return builder.select(builder.fcmp_ordered("<", a, b), a, b)

            (low, other), (its, others), (here, there) = map(halves, (low, following, where))
            less = builder.fcmp_ordered("<", other, low)
            higher = builder.select(less, low, other)
            low, where = builder.select(less, other, low), builder.select(less, there, here)
            following = lower(higher, lower(its, others))
        zero = ir.IntType(32)(0)
        found = [builder.extract_element(vector, zero) for vector in (low, following, where)]
        return context.make_tuple(builder, kind, found)

    return kind(best, second, label, types.intp), code
