"""The source of the site: copies of the pages, with links and navigation for Sphinx.

The pages are written for a code host, which shows them as they are. Their copies differ in three
ways: links to files outside of ``docs/`` lead to the pages of the site that show them, the links of
a section page are also the navigation, and lists of public names become tables of their summaries.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

from scripts.website.commands import reference

ROOT = Path(__file__).parents[2]
# Pages outside of docs/, and the pages of the site that show them.
OUTSIDE = {
    "README.md": "overview.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
    "scripts/slurm/README.md": "slurm.md",
    "examples": "examples/index.rst",
}
# The navigation is the lists of links of these pages.
SECTIONS = ("index.md", "tutorials.md", "how-to.md", "explanation.md", "reference.md")
_LINK = re.compile(r"\[([^\[\]]*)\]\(([^)\s#]*)(#[^)\s]*)?\)")
_NAME = re.compile(r"^- `(streamkm[\w.]*)`$", re.MULTILINE)
_FENCED = re.compile(r"^(```.*?^```)", re.MULTILINE | re.DOTALL)


def pages() -> dict[str, str]:
    """Return the path in the site of each page, by its path in the repository."""
    inside = [path for path in sorted((ROOT / "docs").rglob("*.md")) if "_" not in path.parts[-2]]
    names = {f"docs/{name}": name for name in (str(p.relative_to(ROOT / "docs")) for p in inside)}
    return names | {name: to for name, to in OUTSIDE.items() if name.endswith(".md")}


def target(page: str, link: str) -> str:
    """Return where a relative link of a page leads to in the site, as a path from its root.

    Parameters
    ----------
    page, link : str
        Path of the page in the repository; the link, without an anchor.

    Raises
    ------
    ValueError
        If the site does not have the target.
    """
    path = os.path.normpath(PurePosixPath(page).parent / link)
    if path in pages() or path in OUTSIDE:
        return (pages() | OUTSIDE)[path]
    if path.startswith("examples/") and (ROOT / path).exists():
        return path.removesuffix(".py") + ".rst"
    inside = path.removeprefix("docs/")
    if path != inside and (ROOT / path).is_file():
        return inside
    raise ValueError(f"{page}: the site has no page for the link {link!r}")


def linked(page: str, text: str) -> str:
    """Return the text of a page with the links of the site."""
    here = PurePosixPath(pages()[page]).parent

    def link(found: re.Match[str]) -> str:
        text, to, anchor = found[1], found[2], found[3] or ""
        if not to or "://" in to or to.startswith("mailto:"):
            return found[0]
        # A host shows the name of the file; the site has titles.
        named = to.endswith(".md") and PurePosixPath(text).name == PurePosixPath(to).name
        shown = _title(page, to) if named else text
        return f"[{shown}]({os.path.relpath(target(page, to), here)}{anchor})"

    # Code is left alone: every second part is a fenced block.
    parts = _FENCED.split(text)
    return "".join(part if n % 2 else _LINK.sub(link, part) for n, part in enumerate(parts))


def _title(page: str, link: str) -> str:
    text = (ROOT / page).parent.joinpath(link).read_text("utf-8")
    return text.partition("\n")[0].removeprefix("# ")


def navigation(text: str) -> list[str]:
    """Return the pages to which the list items of a section page link first, without suffix."""
    found = re.findall(r"^- \[[^\]]*\]\(([\w/.-]+)\.(?:md|rst)\)", text, re.MULTILINE)
    entries = [name for name in found if re.match("examples/(?!index)", name) is None]
    return list(dict.fromkeys(entries))


def public_names() -> list[str]:
    """Return the names that the page of the API lists."""
    return _NAME.findall((ROOT / "docs/api.md").read_text("utf-8"))


def with_summaries(text: str) -> str:
    """Return the text with each list of public names as a table of names and summaries."""

    def table(found: re.Match[str]) -> str:
        names = "".join(f"   {name}\n" for name in _NAME.findall(found[0]))
        head = "```{eval-rst}\n.. autosummary::\n   :toctree: api\n   :nosignatures:\n\n"
        return f"{head}{names}```\n"

    return re.sub(r"(?:^- `streamkm[\w.]*`\n)+", table, text, flags=re.MULTILINE)


def staged(page: str) -> str:
    """Return the text of a page of the repository as the site has it."""
    text = linked(page, (ROOT / page).read_text("utf-8"))
    name = pages()[page]
    if name == "api.md":
        return with_summaries(text)
    if name == "overview.md":
        return text.replace("# streamkm", "# Overview", 1)
    if name == "command-line.md":
        return text + reference()
    if name not in SECTIONS:
        return text
    entries = "\n".join(navigation(text))
    return f"{text}\n```{{toctree}}\n:hidden:\n\n{entries}\n```\n"


def write(folder: Path) -> None:
    """Write the source of the site to a folder; files that are the same keep their time."""
    texts = {name: staged(page) for page, name in pages().items()}
    for name, text in texts.items():
        _write(folder / name, text.encode())
    for path in (ROOT / "docs").rglob("*.png"):
        _write(folder / path.relative_to(ROOT / "docs"), path.read_bytes())
    for path in folder.glob("*.md"):
        if path.name not in texts:  # a page that was renamed
            path.unlink()


def _write(path: Path, content: bytes) -> None:
    if not path.exists() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
