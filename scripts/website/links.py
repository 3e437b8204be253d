"""Check the links of the built site without a network: every file and every anchor is there."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class _Page(HTMLParser):
    """Collects the anchors of a page, and what it links to or loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attrs if value is not None}
        self.ids |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag in {"img", "script", "source", "iframe"} and "src" in values:
            self.loads.append(values["src"])
        elif tag == "link" and values.get("rel") in {"stylesheet", "icon", "preload"}:
            self.loads.append(values.get("href", ""))


def broken(site: Path) -> Iterator[str]:
    """Yield a line for each link without a target, and for each file loaded from a network.

    Parameters
    ----------
    site : Path
        The folder of the built HTML.
    """
    paths = [path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]
    pages = {path.resolve(): _Page(path) for path in paths}
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        yield from (f"{name}: loads {url}" for url in page.loads if _is_remote(url))
        for url in (*page.links, *page.loads):
            parts = urlsplit(url)
            if _is_remote(url) or parts.scheme:
                continue
            to = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            to = to / "index.html" if to.is_dir() else to
            if not to.exists():
                yield f"{name}: no file {url}"
            elif parts.fragment and to in pages and unquote(parts.fragment) not in pages[to].ids:
                yield f"{name}: no anchor {url}"


def _is_remote(url: str) -> bool:
    return urlsplit(url).scheme in {"http", "https"} or url.startswith("//")
