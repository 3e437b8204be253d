"""The console of tables and progress bars; separate from `say`, because rich imports slowly."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from streamkm.safe_text import safe


class PlainConsole(Console):
    """A console that prints text literally, without markup, emoji codes or control characters.

    Parameters
    ----------
    stderr : whether it is the standard error stream
    """

    def __init__(self, stderr: bool = False) -> None:
        # In a notebook, too, the output is text; the bar there is a `NotebookBar`.
        super().__init__(
            stderr=stderr, force_jupyter=False, highlight=False, markup=False, emoji=False
        )

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(safe(text), **options)
