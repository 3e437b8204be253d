"""Every page as Markdown beside its HTML, and llms.txt, which lists them for language models."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from scripts.website import source

_ITEM = re.compile(r"^- \[([^\]]*)\]\(([\w/.-]+)\.(?:md|rst)\): (.*)$", re.MULTILINE)
_NAVIGATION = re.compile(r"\n```\{toctree\}.*?^```\n", re.MULTILINE | re.DOTALL)


def is_own(name: str, member: Any) -> bool:
    """Return whether a member of a class is public and not inherited from another library."""
    its_module = str(getattr(_function(member), "__module__", ""))
    return not name.startswith("_") and its_module.startswith("streamkm")


def _function(member: Any) -> Any:
    """Return the function of a class method or a property, and any other member itself."""
    return getattr(member, "__func__", getattr(member, "fget", member))


def write(html: Path) -> None:
    """Write the Markdown of each page, their pictures and llms.txt to the folder of the site."""
    for page, name in source.pages().items():
        _write(html / name, _written(page, name))
    names = source.public_names()
    for name in names:
        _write(html / f"api/{name}.md", name_page(name))
    examples = sorted((source.ROOT / "examples").glob("*.py"))
    for path in examples:
        _write(html / f"examples/{path.stem}.md", example_page(path))
    items = [f"- [{_title(path)}]({path.stem}.md)" for path in examples]
    _write(html / "examples/index.md", "\n".join(["# Examples\n", *items, ""]))
    for picture in (source.ROOT / "docs").rglob("*.png"):
        to = html / picture.relative_to(source.ROOT / "docs")
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(picture, to)
    _write(html / "llms.txt", contents())


def contents() -> str:
    """Return llms.txt: the title, the summary, and the links of each section page."""
    title, summary, *_ = source.staged("docs/index.md").split("\n\n")
    parts = [f"{title}\n\n> {summary}\n"]
    for name in source.SECTIONS[1:]:
        text = source.staged(f"docs/{name}")
        items = [f"- [{link}]({page}.md): {what}" for link, page, what in _ITEM.findall(text)]
        heading = text.splitlines()[0].removeprefix("# ")
        parts.append("\n".join([f"## {heading}\n", *items, ""]))
    return "\n".join(parts)


def name_page(fullname: str) -> str:
    """Return the page of a public name: its signature and docstring, and those of its members."""
    module, _, short = fullname.rpartition(".")
    parts = [f"# {fullname}\n"]
    parts += _documented(fullname, getattr(import_module(module), short))
    return "\n".join(parts)


def example_page(path: Path) -> str:
    """Return the page of an example: its text and its code."""
    text = path.read_text("utf-8")
    described = (ast.get_docstring(ast.parse(text)) or "").split("\n", 3)[3]
    code = text.split('"""', 2)[2].strip()
    return f"# {_title(path)}\n\n{described.replace('``', '`')}\n\n```python\n{code}\n```\n"


def _written(page: str, name: str) -> str:
    text = source.linked(page, (source.ROOT / page).read_text("utf-8")).replace(".rst)", ".md)")
    if name == "api.md":
        return re.sub(r"^- `(streamkm[\w.]*)`$", r"- [\1](api/\1.md)", text, flags=re.MULTILINE)
    return _NAVIGATION.sub("", source.staged(page)).replace(".rst)", ".md)")


def _title(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").splitlines()[0]


def _documented(name: str, found: Any) -> Iterator[str]:
    if callable(found):
        yield _block("python", f"{name}{inspect.signature(found)}")
    yield _block("text", inspect.getdoc(found))
    if inspect.ismodule(found):
        members = [(each, getattr(found, each)) for each in found.__all__]
    else:  # a function has none
        members = [m for m in inspect.getmembers_static(found) if is_own(*m)]
    for each, member in members:
        yield f"## {each}\n"
        function = _function(member)
        if inspect.isfunction(function):
            yield _block("python", f"{each}{inspect.signature(function)}")
        yield _block("text", inspect.getdoc(member))


def _block(language: str, text: str | None) -> str:
    return f"```{language}\n{text}\n```\n"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
