"""What compression does to images: before and after, and quality against size."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from streamkm.arrays import AnyArray, Float64Array
from streamkm.errors import DataError
from streamkm.images.archive.archive import Archive
from streamkm.images.archive.summary import Summary, summary
from streamkm.images.colour.quality import psnr
from streamkm.images.colour.spaces import in_8_bits
from streamkm.plot.galleries import mosaic, show
from streamkm.plot.style import FIRST, SECOND, new_axes, short

_SIDE = 800  # maximum number of pixels of a side that are drawn
Source = Archive | str | os.PathLike[str]


def before_after(archive: Source, name: str, original: Any, ax: Axes | None = None) -> Axes:
    """Draw an image before and after its compression, beside each other.

    Parameters
    ----------
    archive : Archive, str or path-like
        The archive, or its path.
    name : str
        Name of the image.
    original : array-like of shape (y, x) or (y, x, channel), of the dtype of the image
        Pixels of the image before.
    ax : matplotlib Axes, or None
        Axes to draw in; by default new ones.

    Returns
    -------
    matplotlib Axes
        The axes of the drawing; its title has the PSNR of all pixels.

    Raises
    ------
    DataError
        If there is no such image, or the pixels have another shape or dtype.

    Examples
    --------
    >>> import tempfile, numpy as np, streamkm.plot
    >>> from PIL import Image
    >>> from streamkm.images import compress
    >>> pixels = np.arange(192, dtype="u1").reshape(8, 8, 3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.fromarray(pixels).save(f"{folder}/a.png")
    ...     archive = compress(f"{folder}/a.png", f"{folder}/a.zarr", 4)
    ...     ax = streamkm.plot.before_after(archive, "a.png", pixels)
    >>> [text.get_text() for text in ax.texts]
    ['before', 'after']
    """
    archive = archive if isinstance(archive, Archive) else Archive(archive)
    after, before = archive.pixels(archive.chosen([name])[0]), np.asarray(original)
    before = before.reshape(*before.shape, 1) if before.ndim == 2 else before
    if (before.shape, before.dtype) != (after.shape, after.dtype):
        raise DataError(
            f"original has shape {before.shape} and dtype {before.dtype}, but {name} in the "
            f"archive has shape {after.shape} and dtype {after.dtype}."
        )
    n = archive.n_colours(name)
    quality = _psnr(before[..., :n], after[..., :n])
    ax = ax or new_axes(8, 4)
    step = max(1, max(after.shape[:2]) // _SIDE)
    images = np.stack([_rgb(pixels[::step, ::step, :n]) for pixels in (before, after)])
    h, w = images.shape[1:3]
    gap = max(1, w // 30)
    show(ax, mosaic(images, 2, (1, gap)))
    for place, word in enumerate(("before", "after")):
        middle = place * (w + gap) + (w - 1) / 2
        ax.text(middle, h, word, ha="center", va="top")
    ax.set_ylim(1.08 * h, -0.5)  # room for the words
    ax.set_title(f"{short(name)}: {quality}", fontsize="medium")
    return ax


def rate_distortion(
    archives: Sequence[Source] | Mapping[str, Source], ax: Axes | None = None
) -> Axes:
    """Draw the quality of archives of the same images against their size.

    Archives without loss, whose PSNR is infinite, are vertical lines at their size.

    Parameters
    ----------
    archives : sequence of Archive, str or path-like, or mapping of names to them
        The archives, or their paths. Names of a sequence are those of its files.
    ax : matplotlib Axes, or None
        Axes to draw in; by default new ones.

    Returns
    -------
    matplotlib Axes
        The axes of the drawing.

    Raises
    ------
    DataError
        If there is no archive, or an archive is damaged.

    Examples
    --------
    >>> import tempfile, numpy as np, streamkm.plot
    >>> from PIL import Image
    >>> from streamkm.images import compress
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.fromarray(np.arange(192, dtype="u1").reshape(8, 8, 3)).save(f"{folder}/a.png")
    ...     made = [compress(f"{folder}/a.png", f"{folder}/{k}.zarr", k) for k in (2, 8)]
    ...     ax = streamkm.plot.rate_distortion(made)
    >>> [text.get_text() for text in ax.texts]
    ['2', '8']
    """
    found = {name: summary(archive) for name, archive in _named(archives).items()}
    if not found:
        raise DataError("give at least one archive.")
    ordered = sorted(found.items(), key=lambda pair: pair[1].bits_per_pixel)
    finite = [(name, total) for name, total in ordered if np.isfinite(total.psnr)]
    ax = ax or new_axes()
    rates = [total.bits_per_pixel for _, total in finite]
    ax.plot(rates, [total.psnr for _, total in finite], "o-", color=FIRST)
    for name, total in finite:
        _write(ax, name, total.bits_per_pixel, total.psnr)
    for name, total in ordered:
        if not np.isfinite(total.psnr):
            ax.axvline(
                total.bits_per_pixel, color=SECOND, ls="--", label=f"{short(name)}: without loss"
            )
    ax.set_xlabel("bits per pixel, with palettes and names")
    ax.set_ylabel("PSNR [dB]")
    ax.margins(0.12)
    ax.set_title(_images_of([total for _, total in ordered]), fontsize="medium")
    if len(finite) < len(ordered):
        ax.legend(frameon=False, fontsize="small", loc="lower right")
    return ax


def _named(archives: Any) -> dict[str, Archive]:
    """Return archives by name; equal names of files have their numbers."""
    if isinstance(archives, (str, os.PathLike, Archive)):
        archives = [archives]
    if not isinstance(archives, dict):
        paths = [each.path if isinstance(each, Archive) else os.fspath(each) for each in archives]
        stems = [PurePath(path).stem for path in paths]
        names = [
            stem if stems.count(stem) == 1 else f"{stem} ({number})"
            for number, stem in enumerate(stems)
        ]
        archives = dict(zip(names, archives, strict=True))
    return {
        str(name): each if isinstance(each, Archive) else Archive(each)
        for name, each in archives.items()
    }


def _write(ax: Axes, name: str, rate: float, quality: float) -> None:
    offset: dict[str, Any] = {"xytext": (6, -4), "textcoords": "offset points"}
    ax.annotate(short(name), (rate, quality), va="top", fontsize="small", **offset)


def _images_of(totals: Sequence[Summary]) -> str:
    counts = sorted({total.n_images for total in totals})
    if len(counts) > 1:
        return f"{counts[0]:,} to {counts[-1]:,} images in each archive"
    return f"{counts[0]:,} image{'s' * (counts[0] > 1)} in each archive"


def _rgb(pixels: AnyArray) -> Float64Array:
    """Return pixels (y, x, c) as colours from 0 to 1; those of other kinds are grey."""
    values = in_8_bits(pixels) / 255.0
    shown = values[..., :3] if values.shape[-1] >= 3 else np.repeat(values[..., :1], 3, axis=-1)
    return np.asarray(shown, np.float64)


def _psnr(before: AnyArray, after: AnyArray) -> str:
    error = float(np.square(before.astype(np.float64) - after).mean())
    return f"PSNR {psnr(error, before.dtype):.1f} dB" if error else "without loss"
