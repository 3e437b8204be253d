"""Warning filters are global, and several threads change them at the same time."""

from __future__ import annotations

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numba
from numba.extending import overload

from streamkm.rows.formats.placeless import placeless


def test_filters_are_put_back_where_numba_compiles_meanwhile():
    before = list(warnings.filters), warnings._showwarnmsg_impl
    compiling, entered = threading.Event(), threading.Event()

    def slow():
        """A pattern that is slow to compile."""

    @overload(slow)
    def _():
        compiling.set()
        entered.wait(0.5)
        return lambda: None

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(numba.njit(lambda: slow()))
        assert compiling.wait(60)
        with placeless():
            entered.set()
            other.result()
    assert before == (list(warnings.filters), warnings._showwarnmsg_impl)
