"""The estimators, the command line and the docs use the declarations of the methods."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import zarr
from click.testing import CliRunner

import streamkm
from streamkm.cli import main
from streamkm.fitting import fit_budget
from streamkm.seeding import METHODS, Seeding, register
from streamkm.updates import StopRules
from tests import recipes


@pytest.fixture
def heaviest(tmp_path):
    with recipes.seeding_method(tmp_path) as name:
        yield name


def test_the_table_of_the_docs_is_the_registry():
    lines = [
        "| `init` | reads | least sample at k = 100 | least gain of a read | how |",
        "|---|---|---|---|---|",
    ]
    for name, method in sorted(METHODS.items()):
        escaped = name.replace("|", r"\|")
        reads = "k" if method.reads(2) != method.reads(3) else str(method.reads(2))
        sample = f"{method.least_sample(100):,} rows" if method.least_sample else ""
        gain = f"{method.reading_tol:.1%}" if method.reading_tol else ""
        lines.append(f"| `{escaped}` | {reads} | {sample} | {gain} | {method.summary} |")
    table = "\n".join(lines)
    page = (recipes.ROOT / "docs" / "seeding.md").read_text()
    assert table in page, f"docs/seeding.md needs this table:\n{table}"


def test_an_estimator_fits_with_a_registered_method_and_refuses_it_once_it_is_gone(blobs, tmp_path):
    with recipes.seeding_method(tmp_path) as name:
        assert streamkm.KMeans(5, init=name, random_state=0).fit(blobs).n_iter_ > 0
    with pytest.raises(ValueError, match="init='heaviest' is not known; use one of .*'coreset'"):
        streamkm.KMeans(5, init=name).fit(blobs)


def test_the_command_line_fits_with_a_registered_method(blobs, tmp_path, heaviest, no_table):
    zarr.create_array(tmp_path / "x", data=blobs, chunks=(500, 6))

    def fit(init, *options):
        command = ["fit", tmp_path / "x", "-k", 5, "-o", tmp_path / "m", "--init", init, *options]
        return CliRunner().invoke(main, [str(word) for word in command])

    assert json.loads(fit(heaviest, "--dry-run", "--json").stdout)["reads_seeding"] == 2
    assert fit(heaviest).exit_code == 0
    assert streamkm.load_model(tmp_path / "m").centroids.shape == (5, 6)
    unknown = fit("nearest")
    assert unknown.exit_code == 2
    assert "Invalid value for '--init': there is no method 'nearest'." in unknown.output
    assert "heaviest" in unknown.output


def test_the_memory_projection_counts_the_widest_pass_and_the_sample(heaviest, monkeypatch):
    assert fit_budget(None, [heaviest] * 2, [7]).clusters == 2 * 3 * 7
    assert fit_budget(None, [heaviest], [7], keeps=False).summary_rows == 0
    sampling = replace(METHODS[heaviest], least_sample=lambda k: 100 * k)
    monkeypatch.setitem(METHODS, heaviest, sampling)
    budget = fit_budget(None, [heaviest], [7], keeps=False)
    assert (budget.summaries, budget.summary_rows) == (1, 700)


def test_a_sample_turns_on_no_stop_rule(heaviest, monkeypatch):
    """Only a declared `reading_tol` does."""
    rules = StopRules(loss_tol="auto")
    for changes in ({}, {"least_sample": lambda k: 100 * k}, {"reading_tol": 0.01}):
        monkeypatch.setitem(METHODS, heaviest, replace(METHODS[heaviest], **changes))
        assert rules.after(heaviest, 5).reading_tol == changes.get("reading_tol")


def test_a_name_can_be_registered_once():
    for name in ("random", "auto"):
        with pytest.raises(ValueError, match=f"'{name}' is registered already"):
            register(name, summary="", reads=lambda k: 1)(Seeding)
