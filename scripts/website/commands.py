"""The reference of the command line, from the declarations of its options."""

from __future__ import annotations

import inspect
import re

import click

from streamkm.cli import main
from streamkm.cli.parse.described import options_by_heading

_HEAD = "\n| command | what it does |\n|---|---|\n"


def reference() -> str:
    """Return the table of commands and a section for each, in Markdown with definition lists."""
    context = click.Context(main, info_name="streamkm")
    commands = {name: main.get_command(context, name) for name in main.list_commands(context)}
    known = {name: command for name, command in commands.items() if command is not None}
    rows = [
        f"| [`{name}`](#streamkm-{name}) | {_plain(command.get_short_help_str(200))} |\n"
        for name, command in known.items()
    ]
    sections = [section(command, name, context) for name, command in known.items()]
    return _HEAD + "".join(rows) + "".join(sections)


def section(command: click.Command, name: str, parent: click.Context) -> str:
    """Return the usage, the description and the options of a command."""
    context = click.Context(command, info_name=name, parent=parent)
    usage = " ".join(["streamkm", name, *command.collect_usage_pieces(context)])
    options = []
    for heading, records in options_by_heading(command, context).items():
        options += [f"**{heading}**", *(f"`{names}`\n: {_plain(text)}" for names, text in records)]
    blocks = [_paragraph(block) for block in paragraphs(command)]
    example = f"```console\n$ {getattr(command, 'example', usage)}\n```"
    parts = [f"## `streamkm {name}`", f"```text\n{usage}\n```", *blocks, example, *options]
    return "\n" + "\n\n".join(part.rstrip() for part in parts) + "\n"


def paragraphs(command: click.Command) -> list[str]:
    """Return the paragraphs of the help text of a command."""
    return re.split(r"\n\s*\n", inspect.cleandoc(command.help or "").replace("\f", ""))


def _paragraph(block: str) -> str:
    """Return a paragraph of a help text; one after a line of \\b keeps its lines."""
    if block.startswith("\b"):
        return f"```text\n{block.removeprefix(chr(8)).strip(chr(10))}\n```"
    return _plain(block)


def _plain(text: str) -> str:
    """Return text in which Markdown finds no markup."""
    return re.sub(r"([\\`*_<|\[])", r"\\\1", " ".join(text.split()))
