"""Names and links in the docs refer to existing code and files."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "scripts/slurm/README.md",
]
NAMED = sorted(set(re.findall(r"`(tests/[\w/.:]+)`", "".join(p.read_text() for p in PAGES))))


@pytest.mark.parametrize("named", NAMED)
def test_tests_that_are_named_are_there(named):
    path, *inner = named.split("::")
    text = (ROOT / path).read_text()
    for name in inner:
        assert re.search(rf"^ *(def|class) {name}\b", text, re.MULTILINE)


IMPORTS = sorted(
    (str(path.relative_to(ROOT)), module, name.strip())
    for path in (ROOT / "scripts").rglob("*")
    if path.is_file() and path.suffix != ".pyc"
    for module, names in re.findall(
        r"^\s*from (streamkm[\w.]*) import (.+)$", path.read_text(), re.M
    )
    for name in names.strip("()").split(",")
)


@pytest.mark.parametrize(("script", "module", "name"), IMPORTS)
def test_imports_of_scripts_resolve(script, module, name):
    """Scripts of Slurm and benchmarks are not type-checked, and run rarely."""
    assert hasattr(import_module(module), name.split(" as ")[0]), script


def anchors(page):
    """The anchors that GitHub makes of the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", page.read_text()):
        if "://" not in link:
            target = page.parent / link if link else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), f"{link}#{anchor}"
