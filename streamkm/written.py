"""The outputs that a command has published, for its message after Ctrl-C."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_WRITTEN: ContextVar[list[Path] | None] = ContextVar("written", default=None)


@contextmanager
def recording() -> Iterator[list[Path]]:
    """Yield a list to which each output is added when it is published, in this thread.

    Examples
    --------
    >>> with recording() as written:
    ...     record(Path("model.zarr"))
    >>> [str(path) for path in written]
    ['model.zarr']
    """
    written: list[Path] = []
    token = _WRITTEN.set(written)
    try:
        yield written
    finally:
        _WRITTEN.reset(token)


def record(target: Path) -> None:
    """Add an output that was just published."""
    written = _WRITTEN.get()
    if written is not None:
        written.append(target)
