"""The reference of the command line, from the declarations of its options."""

from __future__ import annotations

import inspect
import re

import click

from streamkm.cli import main

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
    records = filter(None, (p.get_help_record(context) for p in command.get_params(context)))
    # An argument is described by the help of its command.
    options = [f"`{names}`\n: {_plain(text)}" for names, text in records if text]
    text = inspect.cleandoc(command.help or "").replace("\f", "")
    blocks = [_paragraph(block) for block in re.split(r"\n\s*\n", text)]
    parts = [f"## `streamkm {name}`", f"```text\n{usage}\n```", *blocks, *options]
    return "\n" + "\n\n".join(part.rstrip() for part in parts) + "\n"


def _paragraph(block: str) -> str:
    """Return a paragraph of a help text; one after a line of \\b keeps its lines."""
    if block.startswith("\b"):
        return f"```text\n{block.removeprefix(chr(8)).strip(chr(10))}\n```"
    return _plain(block)


def _plain(text: str) -> str:
    """Return text in which Markdown finds no markup."""
    return re.sub(r"([\\`*_<|\[])", r"\\\1", " ".join(text.split()))
