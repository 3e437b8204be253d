"""``streamkm palette``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click
import numpy as np
from click.core import ParameterSource
from rich.console import Console
from rich.text import Text

from streamkm.arrays import Float64Array
from streamkm.cli.ui.say import say, say_aside
from streamkm.errors import DataError
from streamkm.files.names import shown
from streamkm.images.archive.archive import Archive
from streamkm.images.colour.opacity import opacity_of
from streamkm.images.colour.palette import Palette
from streamkm.images.colour.palette_search import PaletteSearch, shares_of
from streamkm.images.colour.spaces import in_8_bits, space_of
from streamkm.images.compression.palettes import count_colours
from streamkm.images.export.sheet import save_swatches
from streamkm.in_memory.monitor import monitored
from streamkm.outputs import ARCHIVE, File, check_outputs, kind_of, local, whole_file
from streamkm.progress import tracked
from streamkm.showing.bar import ProgressBar
from streamkm.showing.console import PlainConsole

_ENDINGS = (".png", ".gpl", ".json")
_NAMED = 64  # maximum number of colours that are listed with their values
_IMAGES = 20  # maximum number of images whose own palettes are shown without names
Found = dict[str, tuple[Palette, Float64Array | None]]


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
    """Show the palette of each kind of image, or of an archive, and write the requested files."""
    check_outputs([File(output, _ENDINGS, overwrite) for output in outputs], sources)
    if kind_of(sources[0]) == ARCHIVE:
        _refuse_k()
        found = _in_archive(Archive(sources[0]), sources[1:])
    else:
        search = PaletteSearch(n_colors, space, n_init, random_state)
        found = {}
        with ProgressBar() as bar, monitored(bar.step):
            tables = count_colours(sources, watch=[bar.show], **options)
            for kind in tracked(tables, "palettes", "palettes", [bar.show]):
                palette = search(tables[kind])
                found[kind] = (palette, shares_of(palette, tables[kind]))
    console = PlainConsole()
    for name, (palette, shares) in found.items():
        if len(found) > 1:
            console.print(f"{shown(name)}:")
        _show(console, palette, shares)
    files: dict[Path, Palette] = {}
    for file in map(local, outputs):
        for name, (palette, _) in found.items():  # one file for each of several palettes
            end = f"-{name.replace('/', '-')}" if len(found) > 1 else ""
            files[file.with_stem(f"{file.stem}{end}")] = palette
    if len(files) < len(outputs) * len(found):
        raise DataError("two palettes would be written to one file; write them one at a time.")
    check_outputs([File(file, _ENDINGS, overwrite) for file in files], sources)
    for file, palette in files.items():
        _write(palette, file)


def _refuse_k() -> None:
    """Raise an error for -k with an archive, which has its palettes already."""
    context = click.get_current_context(silent=True)
    given = ParameterSource.COMMANDLINE
    if context is not None and context.get_parameter_source("n_colors") == given:
        raise DataError(
            "-k does not apply to the palettes of an archive; leave it out, or give the images."
        )


def _in_archive(archive: Archive, names: tuple[str, ...]) -> Found:
    """Return the palettes of some images, the palettes that all share, or the first of many."""
    if names:
        return {name: _of_image(archive, name) for name in archive.chosen(names)}
    shared = archive.palettes()
    if shared:
        return {kind: (palette, None) for kind, palette in shared.items()}
    own = [name for name in archive if archive.has_palette(name)]
    if not own:
        raise DataError(
            f"{archive.path} has no palettes, because its codes are those of patches: decompress "
            "it and show the palette of the files."
        )
    if len(own) > _IMAGES:
        say_aside(
            f"{archive.path} has a palette for each of {len(own):,} images; these are the first "
            f"{_IMAGES}. To see others, add names or a pattern, such as {shlex.quote(own[-1])}."
        )
    return {name: _of_image(archive, name) for name in own[:_IMAGES]}


def _of_image(archive: Archive, name: str) -> tuple[Palette, Float64Array]:
    """Return the colours that an image uses, and their shares of its pixels."""
    colours, codes = archive.palette(name), archive.codes(name)
    opacity = opacity_of(archive.pixels(name)[..., -1]) if archive.has_alpha(name) else None
    weights = np.bincount(codes.ravel(), None if opacity is None else opacity.ravel())
    used = np.unique(codes)
    space = space_of(colours.shape[1], str(archive.parameters["space"]))
    shares: Float64Array = weights[used] / (weights.sum() or 1)
    return Palette(colours[used], space), shares


def _show(console: Console, palette: Palette, shares: Float64Array | None) -> None:
    """Print colours, by their shares if these are known; plain codes unless it is a terminal."""
    colours = in_8_bits(palette.colours)
    colours = colours.repeat(3, axis=1) if colours.shape[1] == 1 else colours
    order = range(len(colours)) if shares is None else np.argsort(-shares, kind="stable")
    names = [f"#{bytes(colours[place]).hex()}" for place in order]
    if not console.is_terminal:
        say("\n".join(names))
        return
    if len(colours) > _NAMED:
        line = Text()
        for name in names:
            line.append("  ", style=f"on {name}")
        console.print(line)
        return
    for name, place in zip(names, order, strict=True):
        line = Text("        ", style=f"on {name}")
        share = "" if shares is None else f"  {shares[place]:6.1%}"
        line.append(f"  {name}{share}", style="default on default")
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
