"""Text from users and files, safe for any terminal and page, and without passwords."""

from __future__ import annotations

import re
import unicodedata

# Invisible characters that change the direction of the text after them.
_BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")
_PASSWORD = re.compile(r"(?<![\w.~%+-])([\w.~%+-]*:)[^\s/@]+@(?=[\w\[])")
_ESCAPED = ("Cc", "Cs", "Zl", "Zp")


def without_password(text: str) -> str:
    """Return text with passwords in URLs replaced by stars.

    Examples
    --------
    >>> without_password("https://me:secret@host/x.zarr is not a Zarr array")
    'https://me:***@host/x.zarr is not a Zarr array'
    """
    return _PASSWORD.sub(r"\1***@", text)


def safe(text: str) -> str:
    r"""Return text with escaped control characters and no passwords; line ends and tabs stay.

    Examples
    --------
    >>> safe("a\x1b[2Jb"), safe("name\udcff"), safe("two\nlines")
    ('a\\x1b[2Jb', 'name\\udcff', 'two\nlines')
    """
    text = without_password(text)
    return "".join(
        char.encode("unicode_escape").decode()
        if (unicodedata.category(char) in _ESCAPED and char not in "\n\t") or char in _BIDIRECTIONAL
        else char
        for char in text
    )
