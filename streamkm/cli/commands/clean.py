"""``streamkm clean``."""

from __future__ import annotations

from pathlib import Path

from streamkm.cli.ui.say import say, say_aside
from streamkm.outputs.leftovers import leftovers


def run(path: str, remove: bool) -> None:
    """List the left-overs of killed runs, and remove them if asked."""
    found = leftovers(Path(path))
    for left in found:
        if remove:
            left.remove()
        say(f"{'removed ' if remove else ''}{left.path}: {left.what}")
    if not found:
        say("nothing is left over")
    elif not remove:
        say_aside("nothing was removed; add --remove to remove these")
