"""Suggestions for names and paths that do not exist."""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

_MOST = 10_000  # names of a folder that are compared


def unless_there(path: str | os.PathLike[str]) -> str:
    """Return the end of a sentence on a path: a full stop, or that the path does not exist.

    The most similar name in the same folder is suggested. URLs are not checked.

    Examples
    --------
    >>> unless_there("."), unless_there("s3://bucket/x"), unless_there("no/such/folder")
    ('.', '.', ': no such path.')
    """
    if "://" in os.fspath(path) or Path(path).exists():
        return "."
    return f": no such path.{did_you_mean(path)}"


def similar_name(word: str, known: Iterable[str]) -> str:
    """Return a sentence that suggests the known name that is most similar to a word, or nothing.

    Examples
    --------
    >>> similar_name("kmeans++", ["k-means++", "random"]), similar_name("x", ["random"])
    (" Did you mean 'k-means++'?", '')
    """
    found = get_close_matches(word.lower(), known, n=1)
    return f" Did you mean {found[0]!r}?" if found else ""


def did_you_mean(path: str | os.PathLike[str]) -> str:
    """Return a sentence with the most similar name in the folder of a path; empty if none is."""
    folder = Path(path).parent
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry, _ in zip(entries, range(_MOST), strict=False)]
    except OSError:
        return ""
    # Equal endings such as .zarr do not make names similar.
    stems = {Path(name).stem: name for name in sorted(names) if not name.startswith(".")}
    found = get_close_matches(Path(path).stem, stems, n=1, cutoff=0.7)
    return f" Did you mean {os.fspath(folder / stems[found[0]])}?" if found else ""
