"""``streamkm completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


def run(shell: str) -> None:
    """Print the script of click for a shell; the script runs streamkm for each completion."""
    program = click.get_current_context().find_root().command
    completion = get_completion_class(shell)
    assert completion is not None
    click.echo(completion(program, {}, "streamkm", "_STREAMKM_COMPLETE").source())
