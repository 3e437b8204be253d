"""``streamkm report``."""

from __future__ import annotations

from typing import Any

import click

from streamkm.cli.ui.say import say, say_aside
from streamkm.reporting import watch as watching
from streamkm.reporting.report import report


def run(
    path: str,
    output: str | None,
    *,
    n_rows: int,
    watch: bool,
    port: int | None,
    every: float,
    overwrite: bool,
    **given: Any,
) -> None:
    """Write the page and print its path, or serve it until Ctrl-C."""
    if watch:
        _refuse({"-o": output, **{f"--{name}": value for name, value in given.items()}})
        _serve(path, port or 0, every)
        return
    target = "report.html" if output is None else output
    report(path, target, n=n_rows, overwrite=overwrite, **given)
    say(target)


def _refuse(given: dict[str, Any]) -> None:
    """Refuse options that do not apply to a served page."""
    for option, value in given.items():
        if value is not None:
            raise click.BadParameter("it does not apply to --watch", param_hint=f"'{option}'")


def _serve(path: str, port: int, every: float) -> None:
    with watching.server(path, port, every) as server:
        try:
            say(f"{watching.address(server)} shows {path} until Ctrl-C.")
            server.serve_forever()
        except KeyboardInterrupt:
            say_aside("\nThe page is no longer served; the run is not affected.")
