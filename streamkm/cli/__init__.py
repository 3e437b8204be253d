"""The command line: one file a command; each parses, calls and prints."""

from streamkm.cli.app import main

__all__ = ["main"]


def __dir__() -> list[str]:
    return __all__
