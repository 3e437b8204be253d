"""The chosen codebook uses the rate and does not exceed it."""

from __future__ import annotations

from math import log2

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from streamkm.errors import DataError
from streamkm.images.codebook.rate import choose

shapes = st.tuples(st.integers(1, 8), st.integers(1, 8))


@example(1.0, (7, 7), 2)  # 49 times a 49th is less than one
@given(st.floats(1, 200), shapes, st.integers(2, 65_536))
def test_the_rate_is_kept_and_used(each, shape, most):
    area = shape[0] * shape[1]
    k, stages = choose(each / area, shape, most=most)
    assert 2 <= k <= most
    used = stages * log2(k)
    assert used <= each * (1 + 1e-9)
    if k < most:  # one more codeword would exceed the rate, and one stage fewer would be much worse
        assert stages * log2(k + 1) > each
        assert stages == 1 or used >= (stages - 1) * log2(most) + 3
    else:
        assert (stages + 1) * log2(most) > each


def test_less_than_a_bit_a_patch_is_refused():
    with pytest.raises(DataError, match="larger patches"):
        choose(0.05, (4, 4))
