"""Palettes of images without an archive: one read of the pixels, for any number of palettes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from streamkm.decoding.notices import Notice, notice_lines, together
from streamkm.errors import DamagedImagesError, DataError, LeftOutWarning
from streamkm.files.names import source_names
from streamkm.files.unread import unread
from streamkm.images.coding.stack import batches_of, stacks_of
from streamkm.images.coding.tables import Count, Tables
from streamkm.images.colour.palette import Palette
from streamkm.images.colour.palette_search import PaletteSearch
from streamkm.images.compression.memory import ImageMemory
from streamkm.images.compression.options import MOST_COLORS
from streamkm.images.compression.reads import Reader
from streamkm.images.sources import search_items
from streamkm.numbers import MOST_RESTARTS, whole_number
from streamkm.passes import Colours
from streamkm.progress import PhaseCallback, tracked
from streamkm.warn import warn


def count_colours(
    sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    skip_bad: bool = False,
    srgb: bool = False,
    frames: bool = False,
    memory_limit: str | int | None = None,
    watch: Sequence[PhaseCallback] = (),
) -> dict[str, Colours]:
    """Count the colours of all images, in one read of their pixels.

    Parameters
    ----------
    sources, skip_bad, srgb, frames, memory_limit, watch : as for `compress`

    Returns
    -------
    dict of str to Colours
        For each kind of image ('rgb', 'grey', 'rgb16', ...) a table of its colours.

    Raises
    ------
    DataError
        If there is no image, or an image of bands, which has no colours.
    """
    names = source_names(sources)
    memory = ImageMemory.from_limit(memory_limit)
    with tempfile.TemporaryDirectory(prefix="streamkm-") as spool:
        found = search_items(names, Path(spool))
        read = Reader(memory, tuple(watch), srgb, frames)
        catalogue = read.catalogue(found.items)
        if not skip_bad:
            found.refuse(names, catalogue.bad)
        found.refuse_none(names)
        if not catalogue.headers:
            raise DataError(f"no readable image was found in {' '.join(names[:3])}.")
        left = [(f"left out: {reason}", 1, name) for name, reason in found.left_out if unread(name)]
        _warn([*catalogue.notices, *left, *_damaged(catalogue.bad)])
        stacks = stacks_of(catalogue.headers, "archive", (1, 1))
        bands = next((stack.name for stack in stacks if stack.by_patches), None)
        if bands is not None:
            raise DataError(
                f"images of bands ({bands}) have no palette; cluster them with streamkm fit."
            )
        count = Count(memory.cells, memory.image_nbytes)
        tables: Tables = read("colours", count, batches_of(stacks))
    if tables.bad and not skip_bad:
        raise DamagedImagesError(tables.bad)
    if not tables.parts:
        raise DataError(f"every image in {' '.join(names[:3])} is damaged.")
    _warn(_damaged(tables.bad))
    return {kind: colours for kind, _, colours in tables.parts}


def _damaged(bad: Iterable[tuple[str, str]]) -> list[Notice]:
    return [("left out, because it is damaged", 1, name) for name, _ in bad]


def _warn(notices: Sequence[Notice]) -> None:
    for line in notice_lines(together([notices])):
        warn(line, LeftOutWarning)


def find_palettes(
    sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    n_colors: int | Sequence[int] = 256,
    *,
    space: str = "srgb",
    n_init: int = 1,
    random_state: int = 0,
    skip_bad: bool = False,
    srgb: bool = False,
    frames: bool = False,
    memory_limit: str | int | None = None,
    watch: Sequence[PhaseCallback] = (),
) -> dict[tuple[str, int], Palette]:
    """Find the palettes of images; one read of the pixels gives every number of colours.

    Parameters
    ----------
    sources : path, URL, folder or pattern, or several of them
        As in `compress`.
    n_colors : int or sequence of int
        Maximum number of colours of a palette, or several such numbers.
    space : {'srgb', 'oklab'}
        Colour space of distances.
    n_init : int
        Starts of the search, from the same table of colours.
    random_state : int
        Seed of the starts after the first.
    skip_bad : bool
        Whether damaged and hostile files are left out.
    srgb : bool
        Whether colours of 8 bits are converted to sRGB by their ICC profile.
    frames : bool
        Whether all frames of animations are read, not only the first.
    memory_limit : int, str or None
        Bytes, or text such as '512MiB'.
    watch : sequence of callable
        Each is called with a `Progress` after every wave of batches.

    Returns
    -------
    dict of (str, int) to Palette
        By the kind of image ('rgb', 'grey', 'rgb16', ...) and the number of colours.

    Raises
    ------
    DataError
        If the sources cannot be read; the message names the file and the fix.
    MemoryLimitError
        If the limit is too low for an image.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from PIL import Image
    >>> from streamkm.images import find_palettes
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.fromarray(np.eye(9, dtype="u1") * 255).convert("RGB").save(f"{folder}/x.png")
    ...     {key: len(found) for key, found in find_palettes(folder, [1, 2]).items()}
    {('rgb', 1): 1, ('rgb', 2): 2}
    """
    several = list(n_colors) if isinstance(n_colors, Iterable) else [n_colors]
    numbers = [whole_number("n_colors", k, 1, MOST_COLORS) for k in several]
    n_init = whole_number("n_init", n_init, 1, MOST_RESTARTS)
    seed = whole_number("random_state", random_state, 0, 2**64 - 1)
    tables = count_colours(
        sources,
        skip_bad=skip_bad,
        srgb=srgb,
        frames=frames,
        memory_limit=memory_limit,
        watch=watch,
    )
    wanted = [(kind, k) for kind in tables for k in numbers]
    return {
        (kind, k): PaletteSearch(k, space, n_init, seed)(tables[kind])
        for kind, k in tracked(wanted, "palettes", "palettes", watch)
    }
