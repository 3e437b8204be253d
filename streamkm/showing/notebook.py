"""The progress bar in a notebook: HTML that is replaced in place, without widgets."""

from __future__ import annotations

import sys
import time
from html import escape
from typing import Any

_PAUSE = 0.1  # seconds between two updates


def notebook_bar() -> NotebookBar | None:
    """Return a bar if this process is the kernel of a notebook, otherwise None."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return None if getattr(shell, "kernel", None) is None else NotebookBar()


class NotebookBar:
    """A bar in the output of the running cell, which disappears at its end."""

    def __init__(self) -> None:
        self._shown: Any = None
        self._words, self._updated = "", -_PAUSE

    def update(self, words: str, done: int, total: int | None, count: str = "") -> None:
        """Show a phase in words, its finished part, and a text on it.

        Changes within `_PAUSE` seconds are left out, unless the words change.
        """
        now = time.monotonic()
        if words == self._words and now - self._updated < _PAUSE:
            return
        self._words, self._updated = words, now
        part = "" if total is None else f" value='{done}' max='{max(total, 1)}'"
        name = escape(words)
        # The words and the count of a bar do not move while digits change.
        self._display(
            f"<div style='display:flex;gap:0.8em;align-items:center'><span>{name}</span>"
            f"<progress{part} aria-label='{name}' style='width:14em'></progress>"
            f"<span style='font-variant-numeric:tabular-nums'>{escape(count)}</span></div>",
            f"{words} {count}".rstrip(),
        )

    def close(self) -> None:
        """Remove the bar."""
        if self._shown is not None:
            self._display("", "")

    def _display(self, page: str, text: str) -> None:
        data = {"text/html": page, "text/plain": text}
        if self._shown is None:
            display = sys.modules["IPython"].display.display
            self._shown = display(data, raw=True, display_id=True)
        else:
            self._shown.update(data, raw=True)
