"""The command line: one file for each command."""

from streamkm.cli.app import main

__all__ = ["main"]


def __dir__() -> list[str]:
    return __all__
