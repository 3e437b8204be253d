"""A report states what its result holds, refers to nothing else, and escapes all names."""

from __future__ import annotations

import math
import os
import re
import shlex
from importlib import import_module

import click
import dask.array as da
import matplotlib.pyplot as plt
import numpy as np
import pytest
import zarr

import streamkm
from streamkm.cli.commands.fit_outputs import stored_parameters
from streamkm.cli.parse.fit import command as fit_command
from streamkm.cli.translate import fit_parameters
from streamkm.errors import DataError, OutputExistsError
from streamkm.images import compress
from streamkm.plot.style import COLOURS, colours
from streamkm.reporting.archives import sections as archive_sections
from streamkm.reporting.commands import _DEFAULTS, command_line
from streamkm.reporting.models import read_members
from streamkm.reporting.pictures import DARK_PAPER, PAPER, contrast, on_dark
from streamkm.runs.fit_options import FitOptions
from streamkm.sizes import show_bytes, show_seconds
from tests.cli.test_cli import run
from tests.reporting.conftest import HOSTILE, RESULTS, Parsed


def test_the_table_of_clusters_has_the_sizes_distances_and_nearest_rows_of_the_data(folder, pages):
    km, x = streamkm.load(folder / "named.zarr"), zarr.open(folder / "x.zarr")[:]
    apart = np.linalg.norm(x[:, None] - km.cluster_centers_[None], axis=2)
    labels = apart.argmin(axis=1)
    found = Parsed(pages["rows"])
    assert found.columns == ["cluster", "name", "rows", "share", "mean distance", "nearest rows"]
    for number, row in enumerate(found.rows):
        own = np.flatnonzero(labels == number)
        nearest = own[np.argsort(apart[own, number])[:2]]
        assert row[0] == str(number)
        assert row[2:4] == [f"{len(own):,}", f"{len(own) / len(x):.1%}"]
        assert float(row[4]) == pytest.approx(apart[own, number].mean(), rel=1e-3)
        assert row[5] == ", ".join(f"{each:,}" for each in nearest)
    assert "This report read the data once (9.4 KiB); 600 rows are drawn." in pages["rows"]


def test_the_data_are_read_once(folder):
    x, blocks = zarr.open(folder / "x.zarr")[:], []

    def noted(block, block_info=None):
        if block_info:
            blocks.append(block_info[0]["chunk-location"])
        return block

    lazy = da.from_array(x, (100, 4)).map_blocks(noted, dtype=x.dtype, meta=x[:0])
    read_members(streamkm.load_model(folder / "named.zarr"), lazy, 2)
    assert sorted(blocks) == [(n, 0) for n in range(6)]


def test_a_model_of_rows_with_gaps_is_described_by_its_complete_rows(folder, tmp_path):
    x = zarr.open(folder / "x.zarr")[:]
    x[::3, 1] = np.nan
    streamkm.KMeans(3, missing="impute", random_state=0).fit(x).save(tmp_path / "model.zarr")
    found = Parsed(
        streamkm.report(tmp_path / "model.zarr", tmp_path / "a.html", data=x).read_text()
    )
    whole = np.flatnonzero(~np.isnan(x).any(axis=1))
    centroids = streamkm.load(tmp_path / "model.zarr").cluster_centers_
    apart = np.linalg.norm(x[whole, None] - centroids[None], axis=2)
    labels = apart.argmin(axis=1)
    for number, row in enumerate(found.rows):
        own = apart[labels == number, number]
        assert float(row[3]) == pytest.approx(own.mean(), rel=1e-3)
        assert int(row[4].split(",")[0]) in whole[apart[:, number] == own.min()]
    with pytest.raises(DataError, match="no rows for a report"):
        streamkm.report(tmp_path / "model.zarr", tmp_path / "b.html", data=np.full((9, 4), np.nan))


def test_a_model_without_data_has_its_facts(folder, pages):
    model = streamkm.load_model(folder / "model.zarr")
    found = Parsed(pages["model.zarr"])
    facts = found.facts
    assert facts["data"] == str(folder / "x.zarr")
    assert facts["inertia"] == f"{model.inertia:.6g}"
    assert facts["iterations"] == str(len(model.history))
    assert facts["stopped by"].startswith(model.stop_reason)
    assert facts["time"] == f"{show_seconds(model.cost['seconds'])} in the last run"
    assert facts["peak memory"] == show_bytes(model.cost["peak_memory_bytes"])
    assert 0 < model.cost["seconds"] < 600
    assert 2**24 < model.cost["peak_memory_bytes"] < 2**36
    assert "numpy 2" in facts["versions"]
    assert found.columns == ["cluster", "rows", "share"]
    assert [row[1] for row in found.rows] == [f"{int(n):,}" for n in model.counts]


@pytest.mark.parametrize("name", ["model.zarr", "sweep.zarr"])
def test_the_command_of_a_page_repeats_the_run(name, folder, pages, tmp_path):
    (line,) = Parsed(pages[name]).of("code")
    words = shlex.split(line)
    assert words[0] == "streamkm"
    again = [str(tmp_path / "again.zarr") if word == str(folder / name) else word for word in words]
    run(*again[1:])
    if name == "model.zarr":
        first, second = (
            streamkm.load_model(p) for p in (folder / name, again[again.index("-o") + 1])
        )
        assert first.parameters == second.parameters
        assert np.array_equal(first.centroids, second.centroids)
    else:
        assert streamkm.open_sweep(folder / name).equals(
            streamkm.open_sweep(tmp_path / "again.zarr")
        )


def test_the_call_of_a_page_repeats_a_fit_of_a_program(folder, pages):
    (line,) = Parsed(pages["rows"]).of("code")
    km = eval(line, {"streamkm": streamkm, "X": zarr.open(folder / "x.zarr")[:]})
    assert np.array_equal(
        km.cluster_centers_, streamkm.load(folder / "named.zarr").cluster_centers_
    )


def test_a_sweep_has_its_verdict_and_a_row_for_each_k(folder, pages):
    sweep, found = streamkm.open_sweep(folder / "sweep.zarr"), Parsed(pages["sweep.zarr"])
    assert found.facts["k"] == "1:7:2"
    assert sweep.attrs["verdict"].split("; ")[0] in found.of("p")
    columns = list(zip(*found.rows, strict=True))
    assert columns[0] == ("1", "3", "5", "7")
    assert columns[4] == tuple(f"{v:.5g}" for v in sweep["validation_mean"].values)
    assert columns[5][0] == "n/a"


def test_an_archive_has_a_gallery_and_the_quality_of_each_image(pages):
    found = Parsed(pages["archive.zarr"])
    images = [attributes for tag, attributes in found.elements if tag == "img"]
    assert [each["alt"] for each in images] == ["8 colours of rgb images", "a.png", "b<i>&'.png"]
    assert all(each["src"].startswith("data:image/png;base64,") for each in images)
    assert {row[0] for row in found.rows} == {"a.png", "b<i>&'.png"}


def test_a_checkpoint_has_the_progress_and_every_restart(pages):
    found = Parsed(pages["fit.ckpt"])
    assert found.facts["phase"] == "done"
    assert [row[0] for row in found.rows] == ["restart 0", "restart 1"]


@pytest.mark.parametrize("name", [*RESULTS, "rows"])
def test_a_page_refers_to_nothing_outside_and_is_usable_without_sight(name, pages):
    found, page = Parsed(pages[name]), pages[name]
    elements = found.elements
    identities = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(identities) == len(set(identities))
    for _, attributes in elements:
        for key in ("href", "src", "xlink:href"):
            link = attributes.get(key, "#")
            assert link.startswith(("#", "data:"))
            assert not link[1:] or link.startswith("data:") or link[1:] in identities
    assert "default-src 'none'" in page
    assert not re.search(r"@import|url\((?!#)", page)
    assert elements[0] == ("html", {"lang": "en"})
    headings = [int(tag[1]) for tag, _ in elements if re.fullmatch(r"h\d", tag)]
    assert headings[0] == 1
    assert set(headings[1:]) == {2}
    for tag, attributes in elements:
        if tag == "svg":
            assert (attributes["role"], bool(attributes["aria-label"])) == ("img", True)
        if tag == "th":
            assert attributes["scope"] in ("row", "col")


def test_names_from_data_are_text_and_not_part_of_the_page(pages):
    found = Parsed(pages["rows"])
    assert "script" not in {tag for tag, _ in found.elements}
    assert found.rows[0][1] == HOSTILE.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e")
    assert any(text.startswith(HOSTILE[:23]) for text in found.of("text"))


def test_colours_of_plots_have_contrast_on_dark_paper_and_greys_are_inverted():
    shades = [*COLOURS, *map(_hex, colours(30))]
    assert min(contrast(on_dark(colour), DARK_PAPER) for colour in shades) >= 3
    assert contrast(on_dark("#000000"), DARK_PAPER) > 12
    assert on_dark(PAPER) == DARK_PAPER
    assert on_dark("#56b4e9") == "#56b4e9"
    assert math.isclose(contrast("#777777", "#ffffff"), 4.478, abs_tol=1e-3)  # by WebAIM


def _hex(shade):
    return "#" + "".join(f"{round(255 * value):02x}" for value in shade[:3])


def test_a_page_that_exists_is_kept_and_a_failure_leaves_none(folder, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("mine")
    with pytest.raises(OutputExistsError, match="overwrite"):
        streamkm.report(folder / "model.zarr", page)
    with pytest.raises(DataError, match="expecting 4 features"):
        streamkm.report(folder / "model.zarr", page, data=np.ones((9, 2)), overwrite=True)
    assert page.read_text() == "mine"
    assert streamkm.report(folder / "archive.zarr", page, overwrite=True) == page
    assert page.read_text().startswith("<!doctype html>")
    assert os.listdir(tmp_path) == ["page.html"]
    assert not plt.get_fignums()


def test_what_a_report_is_not_of_is_named(folder, tmp_path):
    page = tmp_path / "page.html"
    for name, said in {
        "x.zarr": "is no result of streamkm; a report is of a model",
        "modle.zarr": "no such path. Did you mean",
    }.items():
        with pytest.raises(DataError, match=said):
            streamkm.report(folder / name, page)
    with pytest.raises(DataError, match="is a sweep; data and shape belong to reports of models"):
        streamkm.report(folder / "sweep.zarr", page, data=folder / "x.zarr")
    with pytest.raises(DataError, match="needs the suffix .html"):
        streamkm.report(folder / "model.zarr", tmp_path / "page.txt")
    assert not page.exists()


def test_the_command_writes_the_page_and_says_where(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = run(
        "report", folder / "named.zarr", "--data", folder / "x.zarr", "--shape", "2x2", "-n", 1
    )
    assert said.output == "report.html\n"
    found = Parsed((tmp_path / "report.html").read_text())
    assert "The centroids as images" in found.of("figcaption")
    assert "the row nearest to each centroid" in found.of("text")
    assert "no effect without --watch" in run("report", "x", "--port", 80, code=2).output
    assert "apply to --watch" in run("report", "x", "--watch", "-o", "a.html", code=2).output


@pytest.mark.parametrize(
    "words",
    [
        ["--init", "k-means++", "--n-init", "3", "--restarts", "halving", "--max-iter", "7"],
        ["--algorithm", "lloyd", "--tol", "0", "--loss-tol", "1e-05", "--time-limit", "90"],
        ["--metric", "cosine", "--min-size", "2", "--max-size", "90", "--seed", "8"],
        ["--variable", "a b", "--variable", "c", "--nodata", "0,nan", "--feature-dim", "band"],
        [
            "--scale",
            "robust",
            "--nodata",
            "none",
            "--weights",
            "w",
            "--mask",
            "m",
            "--feature-dim",
            "0",
        ],
    ],
)
def test_every_option_of_a_fit_is_in_the_command_that_repeats_it(words):
    def parameters(arguments):
        given = fit_command.make_context("fit", list(arguments)).params
        options = FitOptions.from_parameters(fit_parameters(given))
        return stored_parameters(given["data"], given, options)

    asked = parameters(["x y.zarr", "-k", "5", "-o", "m.zarr", *words])
    again = shlex.split(command_line("fit", asked["data"], "m.zarr", asked))
    assert again[:3] == ["streamkm", "fit", "x y.zarr"]
    assert str(parameters(again[2:])) == str(asked)  # NaN is not equal to itself


@pytest.mark.parametrize("name", ["fit", "sweep", "tree", "stream", "compress"])
def test_options_that_are_not_repeated_have_the_defaults_of_the_parser(name):
    params = import_module(f"streamkm.cli.parse.{name}").command.params
    options = {each.name: each for each in params if isinstance(each, click.Option)}
    for option in options.keys() & _DEFAULTS:
        default = options[option].default
        assert default == _DEFAULTS[option] or not options[option].show_default


def test_the_command_of_an_archive_with_a_given_palette_names_the_palette(folder, tmp_path):
    colours = np.array([[0, 0, 0], [255, 255, 255]], "u1")
    archive = compress(folder / "images", tmp_path / "a.zarr", palette=colours)
    run_section = next(archive_sections(archive, "a.zarr")).body
    assert "streamkm compress SOURCES -o a.zarr --palette PALETTE<" in run_section
