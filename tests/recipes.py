"""The examples of docs/recipes.md."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from streamkm.checkpointable import CLASSES
from streamkm.seeding import METHODS

ROOT = Path(__file__).parents[1]
SEEDING = "heaviest"  # the method of the recipe


def examples(heading: str) -> list[str]:
    """Return the Python code below a heading."""
    _, *sections = re.split(r"^## ", (ROOT / "docs" / "recipes.md").read_text(), flags=re.MULTILINE)
    section = next(each for each in sections if each.startswith(heading))
    return re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


@contextmanager
def seeding_method(folder: Path) -> Iterator[str]:
    """Register the seeding method of the recipe, by its name, while the context is open."""
    file = folder / f"{SEEDING}.py"
    file.write_text(examples("A new seeding method")[0])
    spec = spec_from_file_location(SEEDING, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[SEEDING] = module_from_spec(spec)
    spec.loader.exec_module(module)
    try:
        yield SEEDING
    finally:
        del METHODS[SEEDING], CLASSES["Heaviest"], sys.modules[SEEDING]
