"""Names and links in the docs refer to existing code and files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMED = sorted(set(re.findall(r"`(tests/[\w/.:]+)`", "".join(p.read_text() for p in PAGES))))


@pytest.mark.parametrize("named", NAMED)
def test_tests_that_are_named_are_there(named):
    path, *inner = named.split("::")
    text = (ROOT / path).read_text()
    for name in inner:
        assert re.search(rf"^ *(def|class) {name}\b", text, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        assert "://" in link or (page.parent / link).exists(), link
