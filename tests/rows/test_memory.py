from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from streamkm.errors import MemoryLimitError
from streamkm.fitting.budget import fit_budget
from streamkm.rows import Budget, open_rows
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


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("clusters", [3, 1000, 10_000])
@pytest.mark.parametrize("init", ["coreset", "random"])
@pytest.mark.parametrize("block", [2**20, BLOCK_NBYTES, 8 * BLOCK_NBYTES])
def test_following_the_advice_of_a_refusal_needs_what_it_says(keeps, clusters, init, block):
    """Each change that it names lowers the need notably, to what the changed run is refused for."""

    def refused(init=init, block=block, one_thread=False):
        budget = fit_budget(257 * 2**20, [init], [clusters], keeps)
        budget = replace(budget, n_features=700, threads=1 if one_thread else budget.threads)
        with pytest.raises(MemoryLimitError) as error:
            budget.check(block, 6400 * 2**20 // block)
        return str(error.value)

    message = refused()
    need, _, advice = message.partition("Raise the limit")
    changed = {
        "one thread": refused(one_thread=True),
        "the data in chunks of 1.0 MiB": refused(block=2**20),
        'init="random" and n_init=1': refused(init="random"),
    }
    for name, other in changed.items():
        needs = re.search(r"the run needs (.*?) \(", other)[1]
        lower = parse_bytes(needs) < 0.94 * parse_bytes(re.search(r"needs (.*?) \(", need)[1])
        assert (f"{needs} with {name}" in advice) or not lower, (name, needs, message)
    assert init != "random" or "init" not in advice


def check(clusters, limit, threads=2, init="coreset", block=BLOCK_NBYTES):
    budget = fit_budget(limit, [init], [clusters])
    budget = replace(budget, n_features=700, threads=threads)
    budget.check(block, 6400 * 2**20 // block)


def test_changes_that_only_together_meet_the_limit_are_named_and_do():
    limit = 2**30  # for k = 2,000 in blocks of 8 MiB, either change alone needs more
    with pytest.raises(MemoryLimitError) as error:
        check(2000, limit, threads=4, block=2**23)
    assert "It fits with one thread (DASK_NUM_WORKERS=1) and init=" in str(error.value)
    for threads, init in ((1, "coreset"), (4, "random")):
        with pytest.raises(MemoryLimitError):
            check(2000, limit, threads, init, 2**23)
    check(2000, limit, 1, "random", 2**23)


def test_the_share_of_the_clusters_that_a_refusal_names_fits():
    with pytest.raises(MemoryLimitError) as error:
        check(5000, 2**30, init="random")
    share = int(re.search(r"It fits with (\d+)% of the clusters", str(error.value))[1])
    assert share > 1
    check(50 * share, 2**30, init="random")
    with pytest.raises(MemoryLimitError):
        check(50 * (share + 1), 2**30, init="random")


def test_without_a_limit_blocks_have_the_full_size():
    assert Budget().block_nbytes() == BLOCK_NBYTES
    assert Budget().projected(0, 1) == PROCESS_NBYTES


@pytest.mark.parametrize("enough", [0, 70_000, 10**9])
def test_the_rows_of_a_sample_do_not_depend_on_who_names_the_features(enough):
    layout = open_rows(np.zeros((10, 300), np.float32)).layout
    budget = Budget(summaries=2, summary_rows=60_000, summary_enough=enough, fits=True)
    assert budget.room(layout) == budget.of(layout).room(layout)
    assert budget.room(layout).sample >= 60_000
