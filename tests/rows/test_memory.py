from __future__ import annotations

from dataclasses import replace

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


@pytest.mark.parametrize("threads", [1, 2, 64])
@pytest.mark.parametrize("clusters", [3, 20_000])
@pytest.mark.parametrize("summary_rows", [0, 640_000])
@pytest.mark.parametrize("block", [2**20, BLOCK_NBYTES])
def test_the_advice_of_a_refusal_is_only_what_helps_and_holds(
    threads, clusters, summary_rows, block
):
    """Following it needs what the message says, which is notably less."""
    budget = Budget(257 * 2**20, threads, clusters, 300, summaries=1, summary_rows=summary_rows)
    need = budget.projected(block, 100)
    with pytest.raises(MemoryLimitError) as refused:
        budget.check(block, 100)
    advice = str(refused.value)
    followed = {
        "with one thread": replace(budget, threads=1).projected(block, 100),
        "with the data in chunks": budget.projected(2**20, 100),
        "with one restart and init": replace(budget, summaries=0, summary_rows=0).projected(
            block, 100
        ),
    }
    for text, nbytes in followed.items():
        possible = summary_rows or "init" not in text
        assert (text in advice) == bool(nbytes < 0.95 * need and possible), (text, advice)
        assert text not in advice or f"{show_bytes(nbytes)} {text}" in advice


def test_without_a_limit_blocks_have_the_full_size():
    assert Budget().block_nbytes() == BLOCK_NBYTES
    assert Budget().projected(0, 1) == PROCESS_NBYTES
