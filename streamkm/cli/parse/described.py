"""Commands with an example, options under headings, and a short help.

``-h`` shows the example and the main options of a command, ``--help`` also those under headings.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.types import StringParamType

from streamkm.cli.parse.types import Place

F = TypeVar("F", bound=Callable[..., Any])

# Values that are paths, whose files the shell completes.
_PLACES = re.compile(
    r"\.(zarr|png|html|txt|npy)$|^(ARRAY|CKPT|CODES|DATA2?|DIR|FILE|FOLDER|KEEP|LABELS|MODEL"
    r"|PARTITION|QUANTIZER)\b"
)
_SHORT = "streamkm.cli.parse.described.short"
_NAMES = "names"  # the argument for images of an archive, which are not files


class Described(click.Command):
    """A command with an example."""

    def __init__(self, *arguments: Any, example: str, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.example = example
        self.params.append(
            click.Option(
                ["-h"],
                is_flag=True,
                expose_value=False,
                is_eager=True,
                callback=_short_help,
                help="Show the main options.",
            )
        )
        for param in self.params:
            if isinstance(param.type, StringParamType) and _is_place(param):
                param.type = Place()

    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        return ["--help"]

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_help_text(ctx, formatter)
        with formatter.section("Example"):
            for line in self.example.splitlines():
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections = options_by_heading(self, ctx)
        for title, records in sections.items():
            if title == "Options" or not ctx.meta.get(_SHORT):
                with formatter.section(title):
                    formatter.write_dl(records)
        if ctx.meta.get(_SHORT) and len(sections) > 1:
            others = ", ".join(title.lower() for title in list(sections)[1:])
            formatter.write_paragraph()
            formatter.write_text(f"{ctx.command_path} --help also has: {others}.")


def _short_help(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        ctx.meta[_SHORT] = True
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()


def described(name: str, example: str) -> Callable[[Callable[..., Any]], Described]:
    """Return the decorator of a command.

    Parameters
    ----------
    name : name of the command
    example : command line, or several
    """
    return click.command(name=name, cls=Described, example=example)


def together(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Return a decorator that adds options in this order."""

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def headed(heading: str, *options: Callable[[F], F]) -> Callable[[F], F]:
    """Return a decorator that adds options under a heading, which the short help leaves out."""

    def add(command: F) -> F:
        before = len(getattr(command, "__click_params__", ()))
        command = together(*options)(command)
        for option in getattr(command, "__click_params__", ())[before:]:
            option.heading = heading
        return command

    return add


def options_by_heading(
    command: click.Command, ctx: click.Context
) -> dict[str, list[tuple[str, str]]]:
    """Return the names and the texts of the options under each heading, 'Options' first."""
    found: dict[str, list[tuple[str, str]]] = {"Options": []}
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is not None and isinstance(param, click.Option):
            found.setdefault(getattr(param, "heading", "Options"), []).append(record)
    return found


def _is_place(param: click.Parameter) -> bool:
    if isinstance(param, click.Argument):
        return param.name != _NAMES
    return _PLACES.search(param.metavar or "") is not None
