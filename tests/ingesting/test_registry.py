"""`ingest`, the command line and the docs use the declarations of the kinds of files."""

from __future__ import annotations

from dataclasses import replace

import pytest

import streamkm
from streamkm.cli.parse.registered import registered_names
from streamkm.errors import DataError
from streamkm.ingesting.registry import KINDS, register
from tests.recipes import ROOT


def test_the_table_of_the_docs_is_the_registry():
    lines = ["| kind | files | array | options |", "|---|---|---|---|"]
    for name, kind in sorted(KINDS.items()):
        suffixes = ", ".join(f"`{suffix}`" for suffix in kind.suffixes)
        if kind.named_suffixes:
            named = ", ".join(f"`{suffix}`" for suffix in kind.named_suffixes)
            suffixes += f"; {named} with `--kind {name}`"
        options = ", ".join(f"`--{option.replace('_', '-')}`" for option in kind.options)
        lines.append(f"| `{name}` | {suffixes} | {kind.summary} | {options} |")
    table = "\n".join(lines)
    page = (ROOT / "docs" / "ingest.md").read_text()
    assert table in page, f"docs/ingest.md needs this table:\n{table}"


def test_the_command_line_offers_every_registered_kind():
    assert registered_names("ingesting") == sorted(KINDS)


def test_a_reader_gets_only_the_options_that_its_kind_declares(x, tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    monkeypatch.setitem(KINDS, "csv", replace(KINDS["csv"], options=("no_header",)))
    with pytest.raises(DataError, match="^columns is for parquet, not for csv"):
        streamkm.ingest(tmp_path / "t.csv", tmp_path / "o.zarr", columns=["a"])


def test_a_kind_and_a_suffix_can_be_registered_once():
    with pytest.raises(ValueError, match="'csv' is registered already"):
        register("csv", suffixes=(".c",), summary="")
    with pytest.raises(ValueError, match="'npy' already reads files with the suffix '.x.npy'"):
        register("other", suffixes=(".x.npy",), summary="")
