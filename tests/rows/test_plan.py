from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkm.rows.plan import BlockPlan, plan_blocks

axes = st.lists(st.tuples(st.integers(1, 16), st.integers(1, 12)), min_size=1, max_size=3)


@given(axes, st.integers(1, 16), st.integers(1, 5000))
def test_blocks_cover_every_row_once_in_whole_units_within_the_target(sizes, row_nbytes, target):
    shape, unit = [n for n, _ in sizes], [min(u, n) for n, u in sizes]
    plan = plan_blocks(shape, unit, row_nbytes, target)
    seen = np.zeros(shape, int)
    for number in range(plan.n_blocks):
        seen[plan.region(number)] += 1
    assert (seen == 1).all()
    for edges, step in zip(plan.edges, unit, strict=True):
        assert all(edge % step == 0 for edge in edges[:-1])
    assert plan.largest * row_nbytes <= max(target, math.prod(unit) * row_nbytes)


def test_blocks_grow_along_the_last_axis_first():
    plan = plan_blocks((100, 100), (10, 10), row_nbytes=1, target_nbytes=1000)
    assert plan.chunks == ((10,) * 10, (100,))


def test_numbers_run_in_c_order():
    plan = BlockPlan(((0, 2, 4), (0, 3, 6, 7)))
    assert [plan.index(n) for n in range(plan.n_blocks)] == list(np.ndindex(2, 3))
    for beyond in (-1, plan.n_blocks):
        with pytest.raises(IndexError, match=f"block {beyond} of 6"):
            plan.index(beyond)


@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=6), min_size=1, max_size=3))
def test_any_plan_travels_whole(chunks):
    plan = BlockPlan(tuple((0, *np.cumsum(sizes).tolist()) for sizes in chunks))
    assert pickle.loads(pickle.dumps(plan)) == plan


def test_a_plan_of_very_many_blocks_travels_as_a_few_bytes():
    plan = plan_blocks((10**6 + 1,), (10,), row_nbytes=1, target_nbytes=10)
    assert plan.n_blocks == 10**5 + 1
    assert len(pickle.dumps(plan)) < 200
    assert pickle.loads(pickle.dumps(plan)) == plan


def test_an_uneven_plan_is_packed_without_writing_out_an_even_one():
    plan = BlockPlan(((0, 1, 10**12),))  # even chunks would need a terabyte of edges
    assert pickle.loads(pickle.dumps(plan)) == plan


def test_units_of_uneven_sizes_are_edges_unless_labels_would_need_many_chunks():
    starts = (0, 30, 50, 80, 100)
    for target, edges in ((30, starts), (60, (0, 50, 100)), (7, starts), (500, (0, 100))):
        assert plan_blocks((100,), (30,), 1, target, starts).edges == (edges,)
    prime = (0, *range(1, 40_000, 1999), 40_000)
    uneven = plan_blocks((40_000,), (1999,), 1, 1999, prime)
    assert uneven.edges == ((*range(0, 40_000, 1999), 40_000),)
    assert uneven.suits_labels
