"""The likely reads of a run, and its time, which is measured on some blocks only on request."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import dask
import numpy as np
import pytest
import zarr
from click.testing import CliRunner

from streamkm.cli import main
from streamkm.rows import StoredRows
from streamkm.runs import calibration
from streamkm.runs.calibration import Calibration, calibrate
from streamkm.runs.fit import first_fit_state, prepare
from streamkm.runs.fit_options import FitOptions
from streamkm.runs.likely import likely_reads
from streamkm.runs.options import DataOptions
from streamkm.sizes import show_seconds
from streamkm.updates import StopRules
from tests.conftest import mixture

N_BLOCKS = 40


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr("streamkm.rows.opened._SMALLEST_NBYTES", 1)
    chunks = (100, 6)
    zarr.create_array(tmp_path / "x", data=mixture(100 * N_BLOCKS, 6, 8), chunks=chunks)
    return tmp_path / "x"


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [str(each) for each in arguments])
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.stderr


def forecast(store, *more, command="fit"):
    output = store.parent / "out"
    return json.loads(run(command, store, "-k", 9, "-o", output, "--dry-run", "--json", *more))


def prepared(store, **options):
    ready = prepare(DataOptions(str(store)), FitOptions.from_parameters(options))
    return ready, first_fit_state(ready, ready.rows)


@pytest.fixture
def read(monkeypatch):
    """The numbers of the blocks that are read, some milliseconds each."""
    numbers, block = [], StoredRows.block_beside

    def reading(rows, number, beside):
        numbers.append(number)
        time.sleep(0.003)
        return block(rows, number, beside)

    monkeypatch.setattr(StoredRows, "block_beside", reading)
    return numbers


@pytest.mark.usefixtures("no_table")
@pytest.mark.parametrize("init", ["auto", "random", "k-means++"])
@pytest.mark.parametrize("max_iter", [1, 2, 300])
def test_likely_reads_are_those_of_seeding_iterations_and_loss(store, init, max_iter):
    facts = forecast(store, "--init", init, "--max-iter", max_iter)
    least, most = facts["reads_likely_range"]
    besides = facts["reads_seeding"] + facts["reads_loss_and_labels"]
    assert besides <= least <= facts["reads_likely"] <= most <= facts["reads_at_most"]
    assert facts["bytes_likely"] == facts["reads_likely"] * facts["bytes_a_read"]
    if max_iter == 1:
        assert least + 1 == most == facts["reads_at_most"]


@pytest.mark.usefixtures("no_table")
def test_a_fit_takes_the_reads_that_were_likely(store):
    least, most = forecast(store)["reads_likely_range"]
    facts = json.loads(run("fit", store, "-k", 9, "-o", store.parent / "m", "--json"))
    assert least <= facts["reads"] <= most


def test_the_figures_are_those_of_the_docs():
    text = (Path(__file__).parents[2] / "docs" / "reads.md").read_text("utf-8")
    rows = re.findall(r"^\| (coreset|other methods) \| (\d+ %|none) \| (.*) \|$", text, re.M)
    assert len(rows) == 6
    for kind, share, numbers in rows:
        rules = StopRules(reading_tol=1e-3 if kind == "coreset" else None)
        found = likely_reads(rules, 0 if share == "none" else int(share[:-2]) / 100, 1)
        assert [str(n) for n in (found.least, found.median, found.most)] == numbers.split(" | ")[
            2:5
        ]


def test_conditions_that_were_not_measured_are_told():
    assert likely_reads(StopRules(reading_tol=1e-3, tol=0), 0.0, 1).condition == ""
    assert "smaller one needs more" in likely_reads(StopRules(tol=0), 0.0, 1).condition
    assert "slowest of 5 fits" in likely_reads(StopRules(), 0.0, 5).condition
    assert "sooner" in likely_reads(StopRules(loss_tol=0.1), 0.0, 1).condition


def test_a_search_and_boundary_rows_lower_the_reads():
    early, late = StopRules(reading_tol=1e-3), StopRules()
    for rules in (early, late):
        medians = [likely_reads(rules, share, 1).median for share in (0.5, 0.1, 0.01)]
        assert medians == sorted(medians)
    assert likely_reads(early, 0.01, 1).most < likely_reads(late, 0.01, 1).median


@pytest.mark.usefixtures("no_table")
def test_the_time_comes_from_some_blocks_and_is_told(store, read):
    facts = forecast(store, "--time", "--init", "random")
    assert 0 < len(set(read)) <= N_BLOCKS
    assert facts["calibration_bytes"] == len(set(read)) * 100 * 6 * 4
    assert facts["seconds_a_read"] <= facts["seconds_likely"] <= facts["seconds_at_most"]
    assert facts["seconds_search_at_most"] == 0  # random rows need no search
    told = f"about {show_seconds(facts['seconds_likely'])} ({facts['reads_likely']} reads of "
    assert facts["time"].startswith(told)
    assert not (store.parent / "out").exists()
    assert "seconds_a_read" not in forecast(store)


@pytest.mark.usefixtures("no_table")
def test_the_seconds_of_a_read_are_those_of_all_blocks(store, read, monkeypatch):
    """A read of 40 blocks of 3 ms takes 120 ms or more on one thread, also if few are measured."""
    monkeypatch.setattr(calibration, "_SECONDS", 0.0)
    with dask.config.set(num_workers=1):
        ready, state = prepared(store, n_clusters=3)
        measured = calibrate(ready.rows, state, 1)
    assert len(set(read)) == 3  # one to warm up, one for each measurement
    assert measured.step >= measured.reading >= 0.12
    assert measured.in_memory == np.inf


@pytest.mark.usefixtures("no_table")
def test_settling_after_each_read_takes_time_and_lloyds_steps_do_not_settle(store, monkeypatch):
    """A measured step of a small store can be as fast as a read, so the measurement is given."""
    measured = Calibration(reading=1.0, step=3.0, in_memory=np.inf, seconds=1.0, nbytes=1)
    monkeypatch.setattr("streamkm.runs.forecast.calibrate", lambda *_: measured)
    settling, plain = (forecast(store, "--time", "--algorithm", a) for a in ("auto", "lloyd"))
    assert plain["seconds_settling_at_most"] == 0
    assert settling["seconds_settling_at_most"] > 0
    more = settling["seconds_at_most"] - plain["seconds_at_most"]
    assert more == pytest.approx(300 * settling["seconds_settling_at_most"])
    assert "settling of at most" in settling["time"]
    assert "settling" not in plain["time"]


def test_passes_in_memory_do_not_read(store, read):
    ready, state = prepared(store, n_clusters=3)
    measured = calibrate(ready.rows, state, 2)
    assert sorted(read) == sorted(range(N_BLOCKS))  # the cached blocks of a small store, once
    assert 0 < measured.in_memory < np.inf
    facts = forecast(store, "--time")
    assert facts["reads_at_most"] == 1
    assert "a read of" in facts["time"]
    assert "passes in memory of" in facts["time"]
    assert facts["seconds_likely"] > facts["seconds_a_pass_in_memory"]


@pytest.mark.usefixtures("no_table")
def test_of_large_blocks_a_part_is_computed(store, monkeypatch):
    """The pass sees a tenth of the rows, and more clusters than rows of all blocks are no error."""
    seen = []
    where = calibration.Block.where
    monkeypatch.setattr(
        calibration.Block, "where", lambda own, rows: seen.append(rows.sum()) or where(own, rows)
    )
    k = 3999
    monkeypatch.setattr(calibration, "_WORK", 10 * 6 * k)
    ready, state = prepared(store, n_clusters=k, init="random")
    measured = calibrate(ready.rows, state, 1)
    assert set(seen) == {10}
    assert measured.step >= measured.reading > 0


@pytest.mark.usefixtures("no_table")
def test_a_sweep_has_a_time_and_likely_reads(store, read):
    facts = forecast(store, "--time", "--n-init", 3, "--max-iter", 20, command="sweep")
    assert facts["fits"] == 3
    assert facts["reads_likely"] <= facts["reads_at_most"] == 2 + 20 + 1
    assert "the slowest of 3 fits counts" in facts["reads_likely_if"]
    assert facts["seconds_likely"] <= facts["seconds_at_most"]
    assert set(read)


def test_a_time_without_a_dry_run_is_refused(store):
    said = run("fit", store, "-k", 3, "-o", store.parent / "m", "--time", code=2)
    assert "needs --dry-run" in said
    assert "--time-limit" in said
