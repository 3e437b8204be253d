"""Reads in the order of the blocks, of items of a list, and on threads, by their brackets.

A statistic that records its own brackets shows in which order and groups blocks were combined.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import dask
import dask.array as da
import numpy as np
import pytest
import zarr

from streamkm.arrays import LARGE_NBYTES
from streamkm.engine import Folded, Listed, folding, in_threads, wave_size
from streamkm.rows import BlockPlan, StoredRows, open_rows

N = 21  # blocks
X = np.arange(2.0 * N).reshape(N, 2)


class Brackets(str):
    @classmethod
    def combine(cls, parts):
        return parts[0] if len(parts) == 1 else cls(f"({' '.join(parts)})")


@dataclass(frozen=True)
class First:
    """The first number of a block, as a statistic that is said to be large."""

    nbytes: int = LARGE_NBYTES

    def identity(self):
        return Brackets("-")

    def statistic_nbytes(self, n_features):
        return self.nbytes

    def __call__(self, block):
        return Brackets(int(block.values[0, 0]))


def rows_of(kind):
    if kind == "lazy":
        return open_rows(da.from_array(X, chunks=(1, 2)))
    data = zarr.create_array({}, data=X, chunks=(1, 2)) if kind == "stored" else X
    return StoredRows(data, open_rows(data).layout, BlockPlan((tuple(range(N + 1)),)))


@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
@pytest.mark.parametrize("kind", ["stored", "memory", "lazy"])
def test_large_statistics_are_added_one_by_one_for_any_wave_and_after_any_stop(kind, scheduler):
    rows, numbers = rows_of(kind), [5, *range(N - 1, 5, -1)]
    expected = "-"
    for number in numbers:
        expected = f"({expected} {2 * number})"
    with dask.config.set(scheduler=scheduler):
        for wave in (1, 3, 8, 64):
            states = list(folding(First(), rows, wave, blocks=numbers))
            assert states[-1].total() == expected
            assert states[-1].n_blocks == len(numbers)
            for state in states[:-1]:
                *_, last = folding(First(), rows, 8, state, numbers)
                assert last.total() == expected


def test_statistics_below_the_size_of_large_ones_form_a_tree():
    *_, large = folding(First(LARGE_NBYTES), rows_of("stored"), 64)
    *_, small = folding(First(LARGE_NBYTES - 1), rows_of("stored"), 64)
    assert large.total().startswith("(" * N + "- 0) 2)")
    assert small.total().startswith("((0 2 4 6 8 10 12 14) (16 ")


@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
@pytest.mark.parametrize("wave", [8, 64])
def test_items_of_a_list_are_read_like_blocks(wave, scheduler):
    items = Listed([str(n) for n in range(N)])
    with dask.config.set(scheduler=scheduler):
        *_, all_of_them = folding(Brackets, items, wave)
        *_, some = folding(Brackets, items, wave, blocks=[20, 3, 7])
    assert all_of_them.total() == ("((0 1 2 3 4 5 6 7) (8 9 10 11 12 13 14 15) (16 17 18 19 20))")
    assert some.total() == "(20 3 7)"


def test_blocks_are_computed_at_the_same_time_and_given_in_order():
    both = threading.Barrier(2, timeout=20)

    def work(number):
        both.wait()
        return number

    with dask.config.set(num_workers=2):
        assert list(in_threads(work, 6)) == list(range(6))
    with dask.config.set(num_workers=1):  # in this thread
        here = threading.get_ident()
        assert set(in_threads(lambda _: threading.get_ident(), 6)) == {here}


@pytest.mark.parametrize(("cores", "blocks"), [(1, 64), (2, 64), (3, 512), (21, 512), (22, 4096)])
def test_a_wave_is_a_power_of_eight_with_24_blocks_for_each_core(cores, blocks):
    with dask.config.set(num_workers=cores):
        assert wave_size() == blocks


def test_a_partial_result_holds_the_nodes_of_each_level_and_no_level_above():
    folded = Folded()
    for n in range(8):
        assert folded.levels == (() if n == 0 else (tuple("abcdefg"[:n]),))
        folded = folded.plus(Brackets("abcdefgh"[n]), 0, n + 1)
    assert folded.levels == ((), ("(a b c d e f g h)",))
    assert Folded().plus(Brackets("a"), 2, 64).levels == ((), (), ("a",))
