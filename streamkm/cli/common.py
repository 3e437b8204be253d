"""Shared code of the commands: errors as one line, signals, memory."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from streamkm.cli.ui.say import say_aside
from streamkm.errors import RunAgain, StreamkmError
from streamkm.safe_text import safe
from streamkm.written import recording


def dimensions(names: tuple[str, ...]) -> tuple[str | int, ...] | None:
    """Convert dimensions from the command line to names or numbers."""
    return tuple(int(n) if n.lstrip("-").isdigit() else n for n in names) or None


def peak_memory() -> int | None:
    """Return the peak memory of this process, or None if unknown (on systems other than Linux)."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if "VmHWM" in line)


def cost_since(began: float) -> dict[str, float]:
    """Return the seconds since a time of `time.monotonic`, and the peak memory if it is known."""
    peak = peak_memory()
    known = {} if peak is None else {"peak_memory_bytes": float(peak)}
    return {"seconds": time.monotonic() - began, **known}


@contextmanager
def plain_errors() -> Iterator[None]:
    """Print expected errors as one line; after Ctrl-C, list the outputs that are written."""
    try:
        with recording() as written:
            yield
        _name_leftovers(written)
    except RunAgain as stopped:
        say_aside(str(stopped))
        sys.exit(stopped.code)
    except StreamkmError as error:
        raise click.ClickException(safe(error.for_command)) from error
    except OSError as error:  # for example a full disk or missing permissions
        raise click.ClickException(
            f"{safe(str(error))}. No incomplete output was left under its final name. Fix the "
            "cause, then run the command again."
        ) from error
    except KeyboardInterrupt as stopped:
        what = "Terminated" if isinstance(stopped, Terminated) else "Interrupted"
        others = "no output was written or changed"
        if written:
            names = ", ".join(dict.fromkeys(map(str, written)))
            others = f"written: {names}; no other output was written or changed"
        say_aside(
            f"\n{what}; {others}. Checkpoints and the labels of finished waves, if there are "
            "any, stay valid: the same command resumes from them."
        )
        sys.exit(143 if isinstance(stopped, Terminated) else 130)


def _name_leftovers(written: Sequence[Path]) -> None:
    """Name what other runs have left beside the outputs of a run that has succeeded."""
    from streamkm.outputs.leftovers import beside  # for commands that have written something

    for target in dict.fromkeys(written):
        with suppress(OSError, StreamkmError):
            for left in beside(target):
                say_aside(
                    f"left by another run: {left.path}, {left.what}; "
                    f"streamkm clean {shlex.quote(str(target))} --remove removes it"
                )


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP, which end a command like Ctrl-C, without incomplete outputs."""


def stopped_by(error: KeyboardInterrupt) -> str:
    """Return the beginning of the message of a run that a signal stopped."""
    return f"stopped ({error if isinstance(error, Terminated) else 'SIGINT'})"


@contextmanager
def run_again(
    options: Mapping[str, Any], signals: type[KeyboardInterrupt] = KeyboardInterrupt
) -> Iterator[None]:
    """Report a signal by the exit code of a run to be repeated, if the run has a checkpoint.

    Raises
    ------
    RunAgain
    """
    try:
        yield
    except signals as stopped:
        if options.get("checkpoint") is None or "again_code" not in options:
            raise
        raise RunAgain(
            f"{stopped_by(stopped)}; run the same command to resume.", options["again_code"]
        ) from stopped


@contextmanager
def terminated() -> Iterator[None]:
    """Raise `Terminated` for these signals, unless they are handled or ignored already."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _: object) -> None:
        raise Terminated(signal.Signals(number).name)

    numbers = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) == signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)
