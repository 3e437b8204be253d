"""Parts of a page; all text is escaped where it enters one."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from streamkm.safe_text import safe

_LONG = 70  # characters of a fact that has a line of its own


class Html(str):
    """Text that is HTML; all other text is escaped."""

    __slots__ = ()


def text(value: object) -> Html:
    """Escape a value, unless it is HTML.

    Examples
    --------
    >>> text("a<b> & \\x1b"), text(Html("<p>"))
    ('a&lt;b&gt; &amp; \\\\x1b', '<p>')
    """
    return value if isinstance(value, Html) else Html(html.escape(safe(str(value))))


def join(parts: Iterable[object]) -> Html:
    """Join HTML and text."""
    return Html("".join(map(text, parts)))


def tag(name: str, *content: object, **attributes: object) -> Html:
    """Return an element with attributes as for `attributes_of`.

    Examples
    --------
    >>> tag("p", "1 < 2", class_="fact", data_k=None)
    '<p class="fact">1 &lt; 2</p>'
    """
    return Html(f"<{name}{attributes_of(**attributes)}>{join(content)}</{name}>")


def void_tag(name: str, **attributes: object) -> Html:
    """Return an element that has no content and no end, such as an image."""
    return Html(f"<{name}{attributes_of(**attributes)}>")


def attributes_of(**attributes: object) -> Html:
    """Return attributes within a tag; those that are None are left out.

    An underscore after a name is dropped; others become hyphens.
    """
    return Html(
        "".join(
            f' {key.rstrip("_").replace("_", "-")}="{text(value)}"'
            for key, value in attributes.items()
            if value is not None
        )
    )


def facts(named: Mapping[str, object]) -> Html:
    """Return names and values as a description list."""
    pairs = (
        tag(
            "div",
            tag("dt", name),
            tag("dd", value),
            class_="long" if len(str(value)) > _LONG else None,
        )
        for name, value in named.items()
    )
    return tag("dl", *pairs, class_="facts")


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Html:
    """Return a table whose first cells name their rows; a narrow page scrolls it sideways."""
    head = tag("tr", *(tag("th", name, scope="col") for name in columns))
    body = (
        tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:]))
        for row in rows
    )
    whole = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body))
    return tag("div", whole, class_="wide", role="group", aria_label=caption, tabindex=0)
