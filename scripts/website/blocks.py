"""Run the code and the commands of a page, and draw the pictures that the pages show."""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import tempfile
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from streamkm.cli import main

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(r"^```(python|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def run(page: Path) -> dict[str, Any]:
    """Run the Python code and the `streamkm` commands of a page in the current folder, in order.

    Returns
    -------
    dict
        The names that the code defines.

    Raises
    ------
    RuntimeError
        If a command fails.
    """
    names: dict[str, Any] = {}
    for kind, block in _BLOCK.findall(page.read_text("utf-8")):
        if kind == "python":
            exec(compile(block, page.name, "exec"), names)
            continue
        for line in re.findall(r"^\$ streamkm (.*)$", block, re.MULTILINE):
            done = CliRunner().invoke(main, shlex.split(line, comments=True))
            if done.exit_code:
                raise RuntimeError(f"{page.name}: streamkm {line}\n{done.output}")
    return names


def draw() -> None:
    """Write the pictures of start.md to docs/images."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        run(DOCS / "start.md")
        for name in ("clusters", "map", "sheet"):
            shutil.move(f"{name}.png", DOCS / f"images/start-{name}.png")


if __name__ == "__main__":
    draw()
