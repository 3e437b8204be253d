"""HTML of objects in notebooks: a heading, facts, tables and colours; or their text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import repeat

from streamkm.safe_text import safe

# Notebooks that are not trusted show no styles: the text is then visible and the rest hidden.
# Colours are shares of the colour of the text, so that they fit light and dark pages. Selectors of
# cells name two classes, as those of JupyterLab do, which would otherwise align all texts right.
_STYLE = """
.streamkm-text { display: none; }
.streamkm-repr { display: block !important; line-height: 1.4; max-width: 60rem; }
.streamkm-repr .streamkm-name { font-weight: bold; }
.streamkm-repr .streamkm-scroll { overflow-x: auto; }
.streamkm-repr table { border-collapse: collapse; border: 0; margin: 0.4rem 0; font-size: 0.92em; }
.streamkm-repr table tr:nth-child(n) { background: none; }
.streamkm-repr :is(.streamkm-facts, .streamkm-rows) :is(th, td) { border: 0;
  padding: 0.1rem 0.7rem 0.1rem 0; text-align: left; vertical-align: top; font-weight: normal;
  overflow-wrap: anywhere; }
.streamkm-repr .streamkm-facts th { white-space: nowrap; opacity: 0.75; }
.streamkm-repr .streamkm-rows th, .streamkm-repr .streamkm-rows td { text-align: right;
  white-space: nowrap; padding-left: 0.5rem;
  border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
.streamkm-repr .streamkm-rows th:first-child { text-align: left; padding-left: 0; }
.streamkm-repr .streamkm-rows thead th { font-weight: bold; vertical-align: bottom; }
.streamkm-repr .streamkm-colour { display: inline-block; width: 1.4rem; height: 1.4rem;
  border: 1px solid color-mix(in srgb, currentColor 40%, transparent); }
"""
_BAR = "color-mix(in srgb, currentColor 18%, transparent)"


def html_repr(name: str, text: str, facts: Mapping[str, str], *more: str) -> str:
    """Return the HTML of an object.

    Parameters
    ----------
    name : name of its class
    text : its text, which is shown where styles are not applied
    facts : texts by their names
    *more : HTML that follows, of `rows_table` and `colour_row`

    Examples
    --------
    >>> page = html_repr("Model", "<Model>", {"data": "<b>.zarr"})
    >>> "<th scope='row'>data</th><td><bdi>&lt;b&gt;.zarr</bdi></td>" in page
    True
    """
    rows = "".join(
        f"<tr><th scope='row'>{_shown(key)}</th><td><bdi>{_shown(value)}</bdi></td></tr>"
        for key, value in facts.items()
    )
    return (
        f"<div><style>{_STYLE}</style><pre class='streamkm-text'>{_shown(text)}</pre>"
        f"<div class='streamkm-repr' style='display:none'>"
        f"<div class='streamkm-name'>{_shown(name)}</div>"
        f"<table class='streamkm-facts'><tbody>{rows}</tbody></table>{''.join(more)}</div></div>"
    )


def rows_table(
    titles: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    shares: Sequence[float] | None = None,
    below: str = "",
) -> str:
    """Return a table.

    Parameters
    ----------
    titles : of the columns
    rows : the texts of each row; the first names the row
    shares : of each row, or None; drawn as bars behind the second texts
    below : a line below the table, or nothing
    """
    head = "".join(f"<th scope='col'>{_shown(title)}</th>" for title in titles)
    most = max(shares or (), default=0.0) or 1.0
    bars = repeat(None) if shares is None else (share / most for share in shares)
    body = "".join(_row(cells, bar) for cells, bar in zip(rows, bars, strict=False))
    last = f"<div>{_shown(below)}</div>" if below else ""
    return (
        f"<div class='streamkm-scroll'><table class='streamkm-rows'><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>{last}"
    )


def colour_row(title: str, colours: Iterable[Sequence[int]], n_more: int = 0) -> str:
    """Return colours (red, green, blue), each from 0 to 255, as boxes in a row.

    Parameters
    ----------
    title : what they are
    colours : the colours
    n_more : number of colours that are not shown
    """
    boxes = []
    for red, green, blue in colours:
        code = f"#{red:02x}{green:02x}{blue:02x}"
        boxes.append(
            f"<span class='streamkm-colour' style='background:{code}' title='{code}'></span>"
        )
    beyond = f" and {n_more:,} more" if n_more > 0 else ""
    return f"<div>{_shown(title)}<br>{''.join(boxes)}{beyond}</div>"


def _row(cells: Sequence[str], bar: float | None) -> str:
    """Return a row of a table, with a bar from 0 to 1 or none."""
    first, *others = (f"<bdi>{_shown(cell)}</bdi>" for cell in cells)
    data = [f"<td>{cell}</td>" for cell in others]
    if bar is not None:
        stop = f"{100 * bar:.1f}%"
        style = f"background:linear-gradient(to right,{_BAR} {stop},transparent {stop})"
        data[0] = f"<td style='min-width:5rem;{style}'>{others[0]}</td>"
    return f"<tr><th scope='row'>{first}</th>{''.join(data)}</tr>"


def _shown(text: str) -> str:
    """Escape text; control characters and those of undecodable names become codes."""
    return escape(safe(text))
