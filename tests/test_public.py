"""Public modules have exactly the names that they declare."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

PUBLIC = [
    *("streamkm", "streamkm.cli", "streamkm.errors", "streamkm.estimators", "streamkm.images"),
    *("streamkm.ingesting", "streamkm.plot", "streamkm.xarray"),
]
ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", PUBLIC)
def test_dir_lists_the_public_names_and_no_others(name):
    module = import_module(name)
    assert dir(module) == sorted(module.__all__)
    for public in module.__all__:
        found = getattr(module, public)
        if inspect.isclass(found) or inspect.isfunction(found):
            assert found.__module__.startswith("streamkm.")
            assert found.__doc__
    own = {
        each
        for each, found in vars(module).items()
        if getattr(found, "__module__", None) == name and not each.startswith("_")
    }
    assert own <= set(module.__all__)


def test_modules_that_the_docs_import_are_public():
    """Except for the recipes, which are for contributors."""
    texts = [ROOT / "README.md", *(p for p in ROOT.glob("docs/*.md") if p.name != "recipes.md")]
    pattern = re.compile(r"^\s*(?:import|from) (streamkm[\w.]*)", re.MULTILINE)
    imported = {name for text in texts for name in pattern.findall(text.read_text())}
    assert {"streamkm", "streamkm.images", "streamkm.xarray"} <= imported
    assert imported <= set(PUBLIC)
