"""Every public name has a complete numpydoc docstring."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re

import pytest
from numpydoc.validate import validate

MODULES = ("streamkm", "streamkm.images", "streamkm.errors", "streamkm.plot", "streamkm.xarray")
# Parts that numpydoc reports and this project does not require: extended summary, See Also.
OPTIONAL = {"ES01", "SA01"}
# Created by streamkm only, so an example of their construction is not useful.
MADE_BY_US = {"CodebookCodec", "LloydStep", "Nearest", "Progress"}


def public_names():
    """Public names, and the classes that have each public method.

    Public functions, classes, exceptions and methods by their full names; methods are also in the
    second dict.
    """
    found, classes = {}, {}
    for module in map(importlib.import_module, MODULES):
        for name in module.__all__:
            what = getattr(module, name)
            if not (inspect.isclass(what) or inspect.isfunction(what)):
                continue
            found[f"{what.__module__}.{what.__qualname__}"] = what
            if inspect.isclass(what) and name != "CodebookCodec":  # its methods are those of Zarr
                for method, member in methods(what):
                    found[method] = member
                    classes.setdefault(method, []).append(what)
    return found, classes


def methods(kind):
    for name in dir(kind):
        member = inspect.getattr_static(kind, name)
        member = getattr(member, "__func__", getattr(member, "fget", member))
        if name.startswith("_") or not inspect.isfunction(member):
            continue
        if member.__module__.startswith("streamkm"):
            yield f"{member.__module__}.{member.__qualname__}", member


PUBLIC, CLASSES_OF_METHODS = public_names()


def left_out(name, what):
    """Codes of numpydoc that do not apply to a public name."""
    if inspect.isclass(what) and issubclass(what, Exception):
        return {"EX01", "PR01"}  # raised by streamkm; attributes are documented instead
    if not inspect.isclass(what) and what.__qualname__ != what.__name__:
        return {"EX01"}  # test_an_example_uses_every_method demands one, here or in the class
    if what.__name__ in MADE_BY_US:
        return {"EX01", "PR01"}
    # Parameters of an inherited constructor are documented in the parent class.
    return {"PR01"} if inspect.isclass(what) and "__init__" not in vars(what) else set()


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_docstring_is_complete(name):
    codes = OPTIONAL | left_out(name, PUBLIC[name])
    found = [f"{code} {text}" for code, text in validate(name)["errors"] if code not in codes]
    assert found == []


@pytest.mark.parametrize("name", CLASSES_OF_METHODS)
def test_an_example_uses_every_method(name):
    """An example of the method, or of a class that has it, calls it or reads the property."""
    documented = [PUBLIC[name], *CLASSES_OF_METHODS[name]]
    examples = doctest.DocTestParser().get_examples("\n".join(map(inspect.getdoc, documented)))
    code = "".join(example.source for example in examples)
    short = name.rpartition(".")[2]
    is_property = isinstance(inspect.getattr_static(CLASSES_OF_METHODS[name][0], short), property)
    assert re.search(rf"\.{short}" + (r"\b" if is_property else r"\("), code)
