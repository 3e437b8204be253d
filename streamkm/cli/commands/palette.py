"""``streamkm palette``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from streamkm.cli.ui.say import say_aside
from streamkm.errors import DataError
from streamkm.images.archive.archive import Archive
from streamkm.images.colour.palette import Palette
from streamkm.images.colour.palette_search import PaletteSearch, shares_of
from streamkm.images.compression.palettes import count_colours
from streamkm.images.export.sheet import in_8_bits, save_swatches
from streamkm.in_memory.monitor import monitored
from streamkm.outputs import ARCHIVE, File, check_outputs, kind_of, local, whole_file
from streamkm.progress import tracked
from streamkm.showing.bar import ProgressBar
from streamkm.showing.console import PlainConsole

_ENDINGS = (".png", ".gpl", ".json")
_NAMED = 64  # maximum number of colours that are listed with their values


def run(
    sources: tuple[str, ...],
    n_colors: int,
    space: str,
    n_init: int,
    random_state: int,
    outputs: tuple[str, ...],
    overwrite: bool,
    **options: Any,
) -> None:
    """Show the palette of each kind of image, and write the requested files."""
    check_outputs([File(output, _ENDINGS, overwrite) for output in outputs], sources)
    found: dict[str, tuple[Palette, Any]] = {}
    if len(sources) == 1 and kind_of(sources[0]) == ARCHIVE:
        for kind, palette in Archive(sources[0]).palettes().items():
            found[kind] = (palette, None)
    else:
        search = PaletteSearch(n_colors, space, n_init, random_state)
        with ProgressBar() as bar, monitored(bar.step):
            tables = count_colours(sources, watch=[bar.show], **options)
            for kind in tracked(tables, "palettes", "palettes", [bar.show]):
                palette = search(tables[kind])
                found[kind] = (palette, shares_of(palette, tables[kind]))
    if not found:
        raise DataError(
            f"{sources[0]} has no shared palette: each image has its own palette, or the codes are "
            "those of patches. Decompress it and show the palette of the files."
        )
    console = PlainConsole()
    for kind, (palette, shares) in found.items():
        if len(found) > 1:
            console.print(f"{kind}:")
        _show(console, palette, shares)
    files: dict[Path, Palette] = {}
    for file in map(local, outputs):
        for kind, (palette, _) in found.items():  # one file for each of several kinds of images
            files[file.with_stem(f"{file.stem}-{kind}") if len(found) > 1 else file] = palette
    check_outputs([File(file, _ENDINGS, overwrite) for file in files], sources)
    for file, palette in files.items():
        _write(palette, file)


def _show(console: Console, palette: Palette, shares: Any) -> None:
    colours = in_8_bits(palette.colours)
    colours = colours.repeat(3, axis=1) if colours.shape[1] == 1 else colours
    if len(colours) > _NAMED or shares is None:
        line = Text()
        for colour in colours:
            line.append("  ", style=f"on #{bytes(colour).hex()}")
        console.print(line)
        return
    for place in np.argsort(-shares, kind="stable"):
        name = bytes(colours[place]).hex()
        line = Text("        ", style=f"on #{name}")
        line.append(f"  #{name}  {shares[place]:6.1%}", style="default on default")
        console.print(line)


def _write(palette: Palette, path: Path) -> None:
    with whole_file(path) as partial:
        if path.suffix.lower() == ".png":
            save_swatches(palette, partial)
        elif path.suffix.lower() == ".gpl":
            partial.write_text(palette.to_gpl(path.stem))
        else:
            partial.write_text(palette.to_json())
    say_aside(str(path))
