"""The contract of every pass: its statistic is a commutative monoid, exact to the bit."""

from __future__ import annotations

import itertools
import pickle
import sys
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamkm.passes import Pass
from streamkm.rows import Block

VALUES = np.random.default_rng(1).integers(0, 9, (120, 3)).astype(np.int16)


def block(start, stop):
    rows = (start,), (stop - start,), (len(VALUES),)
    return Block(VALUES[start:stop], None, start, *rows)


def same(a, b):
    """Equal in every field, to the bit."""
    if isinstance(a, np.ndarray):
        return a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if hasattr(a, "__dataclass_fields__"):
        return all(same(getattr(a, f), getattr(b, f)) for f in a.__dataclass_fields__)
    return a == b


def nbytes_of(value):
    """Bytes of the arrays of a value."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    parts = value if isinstance(value, tuple) else getattr(value, "__dataclass_fields__", ())
    return sum(nbytes_of(p if parts is value else getattr(value, p)) for p in parts)


@settings(deadline=None, max_examples=25)
@given(cuts=st.lists(st.integers(0, 120), max_size=6), random=st.randoms())
def check_merging(question, cuts, random):
    edges = [0, *sorted(cuts), 120]
    parts = [question(block(a, b)) for a, b in itertools.pairwise(edges)]
    kind = type(parts[0])
    whole = kind.combine(parts)
    random.shuffle(parts)
    assert same(kind.combine(parts), whole)
    at = random.randint(0, len(parts))
    groups = [kind.combine(g) for g in (parts[:at], parts[at:]) if g]
    assert same(kind.combine(groups), whole)


class PassContract:
    """Tests of passes; derive a test class and list the passes in `passes`."""

    passes: ClassVar[tuple[Pass[Any], ...]]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        names = [type(each).__name__ for each in self.passes]
        metafunc.parametrize("question", self.passes, ids=names)

    def test_the_identity_changes_nothing(self, question):
        answer, none = question(block(0, 50)), question.identity()
        for parts in ([none, answer], [answer, none], [none, answer, none], [answer]):
            assert same(type(answer).combine(parts), answer)

    def test_no_rows_give_the_identity(self, question):
        assert same(question(block(7, 7)), question.identity())

    def test_any_cut_any_order_and_any_grouping_mean_the_same(self, question):
        check_merging(question)

    def test_its_size_is_that_of_its_arrays(self, question):
        for value in (question, question(block(3, 90))):
            assert sys.getsizeof(value) >= nbytes_of(value)

    def test_it_travels_by_plain_pickle(self, question):
        sent = pickle.loads(pickle.dumps(question))
        answer = question(block(3, 90))
        assert same(pickle.loads(pickle.dumps(sent(block(3, 90)))), answer)
