"""The HTML of archives in notebooks."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from streamkm.html_repr import html_repr, rows_table
from streamkm.images.colour.html import colours_html
from streamkm.sizes import show_bytes

if TYPE_CHECKING:
    from streamkm.images.archive.archive import Archive

_IMAGES = 10  # images that are shown


def in_stacks(images: int, stacks: int) -> str:
    """Return the number of images and of their sizes and kinds as text.

    Examples
    --------
    >>> in_stacks(1_200, 2), in_stacks(2, 1)
    ('1,200 in 2 sizes and kinds', '2 in 1 size and kind')
    """
    s = "s" * (stacks != 1)
    return f"{images:,} in {stacks:,} size{s} and kind{s}"


def archive_html(archive: Archive) -> str:
    """Return the HTML of an archive: its names, qualities and palettes; no pixel is decoded."""
    quality = {stack: np.asarray(arrays["psnr"][...]) for stack, arrays in archive.stacks.items()}
    high, wide = archive.patch
    coded = "palettes" if (high, wide) == (1, 1) else f"patches of {high} x {wide} pixels"
    asked = ", ".join(f"{n}={v}" for n, v in archive.parameters.items() if v is not None)
    facts = {
        "path": archive.path,
        "images": in_stacks(len(archive), len(archive.stacks)),
        "sources": show_bytes(archive.source_nbytes),
        "skipped": f"{len(archive.skipped):,}",
        "codes": coded,
        "parameters": asked,
    }
    rows = []
    for name, place in islice(archive.places.items(), _IMAGES):
        height, width = archive.stacks[place.stack]["pixels"].shape[1:3]
        rows.append((name, f"{width} x {height}", f"{quality[place.stack][place.number]:.2f}"))
    left = len(archive) - len(rows)
    more = f"and {left:,} more image{'s' * (left > 1)}" if left > 0 else ""
    table = rows_table(("image", "width x height", "PSNR [dB]"), rows, below=more)
    colours = (colours_html(name, each.colours) for name, each in archive.palettes().items())
    return html_repr("streamkm.images.Archive", repr(archive), facts, *colours, table)
