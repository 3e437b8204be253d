"""The site has every page, public name and command; scripts/docs builds it."""

from __future__ import annotations

import ast
import os
import re
from importlib import import_module
from pathlib import Path

import click
import pytest

from scripts.website import blocks, commands, links, llms, source
from streamkm.cli import main
from tests.test_docstrings import MODULES

DOCS = source.ROOT / "docs"
EXAMPLES = sorted((source.ROOT / "examples").glob("*.py"))


def test_every_page_is_in_the_navigation():
    texts = {name: source.staged(f"docs/{name}") for name in source.SECTIONS}
    entries = [entry for text in texts.values() for entry in source.navigation(text)]
    wanted = {name.removesuffix(".md") for name in source.pages().values()} - {"index"}
    assert set(entries) == wanted | {"examples/index"}


@pytest.mark.parametrize("page", source.pages())
def test_links_of_the_site_have_targets(page):
    """`staged` raises an error for a link to a file that the site does not have."""
    assert source.staged(page)


def test_a_link_to_a_file_that_the_site_does_not_have_is_an_error(monkeypatch):
    with pytest.raises(ValueError, match=r"docs/plots\.md: .* '\.\./pyproject\.toml'"):
        source.linked("docs/plots.md", "[a](https://x.org) [b](../pyproject.toml)")


def test_a_link_that_shows_the_name_of_a_page_gets_its_title():
    assert source.linked("docs/reads.md", "[seeding.md](seeding.md)") == "[Seeding](seeding.md)"
    text = source.linked("README.md", "[docs/plots.md](docs/plots.md#x), [reads](docs/reads.md)")
    assert text == "[Plots](plots.md#x), [reads](reads.md)"


def test_links_lead_from_the_pages_of_the_site():
    text = "[a](../docs/reads.md#x) [b](../examples/land_cover_of_a_cube.py)\n```\n[c](d)\n```\n"
    want = "[a](reads.md#x) [b](examples/land_cover_of_a_cube.rst)\n```\n[c](d)\n```\n"
    assert source.linked("scripts/slurm/README.md", text.replace("../", "../../")) == want
    assert source.linked("CHANGELOG.md", "[a](README.md)") == "[a](overview.md)"


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_in_the_reference(module):
    listed = source.public_names()
    assert len(listed) == len(set(listed))
    names = {f"{module}.{name}" for name in import_module(module).__all__}
    names -= {"streamkm.__version__", "streamkm.plot"}  # the functions of plot are listed
    assert module in listed or names <= set(listed)


def test_every_listed_name_is_public():
    for name in source.public_names():
        module, _, short = name.rpartition(".")
        assert short in import_module(module).__all__ or name in MODULES


def test_every_command_and_option_is_in_the_reference():
    text, context = commands.reference(), click.Context(main)
    for name in main.list_commands(context):
        own = text.split(f"## `streamkm {name}`\n")[1].split("\n## ")[0]
        for option in main.get_command(context, name).params:
            if isinstance(option, click.Option) and not option.hidden:
                assert all(
                    re.search(rf"^`.*{given}\b.*`\n: \S", own, re.M) for given in option.opts
                )


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_has_a_title_and_its_usage(path):
    lines = ast.get_docstring(ast.parse(path.read_text())).splitlines()
    assert lines[1] == "=" * len(lines[0])
    assert lines[2] == ""
    assert f"Usage: ``python examples/{path.name} OUTPUT.png" in lines[-1]


@pytest.mark.parametrize("page", ["start.md", "from-dask-ml.md", "from-faiss.md"])
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    if page == "from-faiss.md":
        pytest.importorskip("faiss")
    monkeypatch.chdir(tmp_path)
    names = blocks.run(DOCS / page)
    assert names["km"].n_clusters
    if page == "start.md":
        assert {"clusters.png", "map.png", "sheet.png", "elbow.png"} <= set(os.listdir())


def test_a_command_that_fails_ends_the_run_of_a_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("page.md").write_text("```console\n$ streamkm info nothing.zarr\n```\n")
    with pytest.raises(RuntimeError, match=r"page\.md: streamkm info nothing\.zarr"):
        blocks.run(Path("page.md"))


def test_broken_links_and_remote_files_are_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<p id="here"><a href="#here"><a href="#no"><a href="b.html"><a href="c.html#no">'
        '<a href="https://x.org"><img src="no.png"><script src="https://x.org/y.js"></script>'
    )
    (tmp_path / "c.html").write_text('<a href="a.html#here">')
    assert list(links.broken(tmp_path)) == [
        "a.html: loads https://x.org/y.js",
        "a.html: no anchor #no",
        "a.html: no file b.html",
        "a.html: no anchor c.html#no",
        "a.html: no file no.png",
    ]


def test_every_page_is_also_markdown_with_links_that_have_targets(tmp_path):
    llms.write(tmp_path)
    for page in tmp_path.rglob("*.md"):
        for link in re.findall(r"\]\(([^)#\s]+\.(?:md|rst|png))[^)]*\)", page.read_text()):
            assert (page.parent / link).exists(), (page, link)
    assert "\nfit(self, X" in (tmp_path / "api/streamkm.KMeans.md").read_text()
    assert "get_params" not in (tmp_path / "api/streamkm.KMeans.md").read_text()
    text = (tmp_path / "llms.txt").read_text()
    assert text.startswith("# streamkm\n\n> Exact k-means for data larger than memory")
    assert re.findall(r"^## (.*)", text, re.MULTILINE) == [
        *("Tutorials", "How-to pages", "Explanation", "Reference")
    ]
    assert "- [Glossary](glossary.md): terms, each with one meaning.\n" in text
