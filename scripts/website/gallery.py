"""How sphinx-gallery runs the examples: with the path of a picture, which they save there."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from sphinx_gallery.scrapers import figure_rst


def _picture(gallery_conf: dict[str, Any]) -> Path:
    folder = Path(gallery_conf["src_dir"]) / "_picture"  # an example may write files beside it
    folder.mkdir(exist_ok=True)
    return folder / "picture.png"


def arguments(gallery_conf: dict[str, Any], script_vars: dict[str, Any]) -> list[str]:
    """Return the arguments of an example."""
    return [str(_picture(gallery_conf))]


def saved_picture(
    block: tuple[Any, ...], block_vars: dict[str, Any], gallery_conf: dict[str, Any]
) -> str:
    """Move the picture that an example has saved to the gallery, and return its directive."""
    picture = _picture(gallery_conf)
    if not picture.exists():
        return ""
    path = next(block_vars["image_path_iterator"])
    picture.replace(path)
    text = ast.get_docstring(ast.parse(Path(block_vars["src_file"]).read_text("utf-8"))) or ""
    return str(figure_rst([path], gallery_conf["src_dir"], fig_titles=text.splitlines()[0]))
