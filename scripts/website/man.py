"""Manual pages of the commands, from the declarations of their options."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

import streamkm
from scripts.website.commands import paragraphs
from streamkm.cli import main
from streamkm.cli.parse.described import options_by_heading


def write(folder: Path) -> None:
    """Write ``streamkm.1`` and a page ``streamkm-COMMAND.1`` for each command."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / f"{name}.1").write_text(text, "utf-8")


def pages() -> dict[str, str]:
    """Return the manual pages by their names."""
    context = click.Context(main, info_name="streamkm")
    known = {name: main.get_command(context, name) for name in main.list_commands(context)}
    commands = {name: command for name, command in known.items() if command is not None}
    described = {f"streamkm-{n}": c.get_short_help_str(200) for n, c in commands.items()}
    found = {"streamkm": "\n".join([*_page("streamkm", main, context), *_list(described), ""])}
    for name, command in commands.items():
        own = click.Context(command, info_name=name, parent=context)
        found[f"streamkm-{name}"] = "\n".join([*_page(f"streamkm-{name}", command, own), ""])
    return found


def _page(title: str, command: click.Command, context: click.Context) -> Iterator[str]:
    yield f'.TH {title.upper()} 1 "" "streamkm {streamkm.__version__}" "streamkm"'
    yield from (".SH NAME", f"{_text(title)} \\- {_text(command.get_short_help_str(200))}")
    yield from (".SH SYNOPSIS", f".B {_text(context.command_path)}")
    yield _text(" ".join(command.collect_usage_pieces(context)))
    yield ".SH DESCRIPTION"
    for number, block in enumerate(paragraphs(command)):
        if number:
            yield ".PP"
        if block.startswith("\b"):
            lines = block.removeprefix("\b").strip("\n").splitlines()
            yield from (".nf", *map(_text, lines), ".fi")
        else:
            yield _text(" ".join(block.split()))
    example = getattr(command, "example", "")
    if example:
        yield from (".SH EXAMPLE", ".nf", *map(_text, example.splitlines()), ".fi")
    yield ".SH OPTIONS"
    for heading, records in options_by_heading(command, context).items():
        if heading != "Options":
            yield f".SS {heading}"
        for names, text in records:
            yield from (".TP", f".B {_text(names)}", _text(text))


def _list(described: dict[str, str]) -> Iterator[str]:
    yield ".SH COMMANDS"
    for name, text in described.items():
        yield from (".TP", f".BR {_text(name)} (1)", _text(text))


def _text(text: str) -> str:
    """Return text in which groff finds no requests, and whose hyphens can be copied."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped
