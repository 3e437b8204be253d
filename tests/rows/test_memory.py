from __future__ import annotations

import pytest

from streamkm.errors import MemoryLimitError
from streamkm.rows import Budget
from streamkm.rows.memory import BLOCK_NBYTES, PROCESS_NBYTES
from streamkm.sizes import parse_bytes, show_bytes


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("2GiB", 2 * 2**30),
        ("1.5 MB", 1_500_000),
        ("64k", 64_000),
        (17, 17),
        (2e9, 2_000_000_000),
        ("9", 9),
    ],
)
def test_sizes_are_read(text, count):
    assert parse_bytes(text) == count


def test_a_size_that_is_none_says_how_to_write_one():
    for text in ("lots", "1.2.3GiB", "-1"):
        with pytest.raises(ValueError, match="write 2GiB"):
            parse_bytes(text)


def test_sizes_are_shown():
    assert [show_bytes(n) for n in (0, 1023, 2**20, 3 * 2**40)] == [
        "0 B",
        "1023 B",
        "1.0 MiB",
        "3.0 TiB",
    ]


def test_the_budget_gives_blocks_that_it_projects_to_fit():
    budget = Budget(2**29, threads=4, clusters=100, n_features=50)
    block = budget.block_nbytes(n_blocks=1000)
    assert 0 < block < BLOCK_NBYTES
    budget.check(block, 1000)
    assert budget.projected(block, 1000) <= 2**29
    assert budget.projected(block + 2**20, 1000) > 2**29


def test_work_over_the_limit_is_refused_with_the_numbers():
    with pytest.raises(MemoryLimitError, match=r"32.0 MiB.*2 threads.*over the limit of 330.0 MiB"):
        Budget(330 * 2**20, threads=2).check(BLOCK_NBYTES, 10)


def test_without_a_limit_blocks_have_the_full_size():
    assert Budget().block_nbytes() == BLOCK_NBYTES
    assert Budget().projected(0, 1) == PROCESS_NBYTES
