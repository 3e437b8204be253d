"""Names and values, printed as a table or as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from streamkm.cli.ui.say import say, strict_json
from streamkm.showing.console import PlainConsole
from streamkm.sizes import as_texts


def show(facts: Mapping[str, Any], as_json: bool) -> None:
    """Print the values of a run by name; the table leaves None out."""
    if as_json:
        say(strict_json(facts))
        return
    show_table(as_texts(facts))


def show_table(facts: Mapping[str, str]) -> None:
    """Print names and texts in two columns."""
    table = Table(show_header=False, box=None)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")  # a long path is shown whole
    for name, text in facts.items():
        table.add_row(name, text)
    PlainConsole().print(table)
