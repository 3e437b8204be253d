"""Encoding of images: one task for each shard, which no other task writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from streamkm.arrays import AnyArray
from streamkm.decoding.decode import decode_each, headers
from streamkm.decoding.header import Header, Pixels
from streamkm.errors import DamagedError
from streamkm.images.coding.coder import Coder, Coders, PaletteCoder
from streamkm.images.coding.stack import Batch
from streamkm.images.colour.opacity import opacity_of
from streamkm.images.colour.palette import Palette
from streamkm.images.colour.quality import Quality
from streamkm.images.colour.quantize import quantize
from streamkm.passes import Statistic
from streamkm.rows import storing_all

DAMAGED = -1.0  # psnr of an image that could not be decoded
DAMAGED_IN = "damaged"  # folder of messages about them, for a resumed run
_STRIP = 2**18  # approximate number of pixels that are encoded together


@dataclass(frozen=True)
class Written(Statistic):
    """Statistic of tasks that write.

    Parameters
    ----------
    bad : tuple of (name, reason) of the images that could not be decoded
    """

    bad: tuple[tuple[str, str], ...] = ()

    @classmethod
    def combine(cls, parts: Sequence[Written]) -> Written:
        return cls(tuple(bad for part in parts for bad in part.bad))


@dataclass(frozen=True)
class Encode:
    """Encode a batch of images and write it to the archive.

    Parameters
    ----------
    archive : Path of the archive
    coders : coders of the images
    dither : whether errors are diffused, for palettes
    most_nbytes : maximum decoded bytes of an image
    """

    archive: Path
    coders: Coders
    dither: bool
    most_nbytes: int

    def __call__(self, batch: Batch) -> Written:
        group: Any = zarr.open_group(self.archive / "images" / batch.stack, mode="r+")
        n = len(batch.headers)
        codes = np.zeros((n, *group["codes"].shape[1:]), group["codes"].dtype)
        alpha = None
        if "alpha" in group:
            alpha = np.zeros((n, *group["alpha"].shape[1:]), group["alpha"].dtype)
        quality = np.full((n, 3), DAMAGED)
        bad: list[tuple[str, str]] = []
        palettes: list[tuple[int, Palette]] = []
        metadata = _metadata(batch)
        for place, pixels in decode_each(batch.headers, self.most_nbytes, bad):
            coder = self.coders.for_image(batch, place, pixels)
            quality[place] = self._encoded(pixels, coder, codes[place])
            if isinstance(coder, PaletteCoder) and "palettes" in group:
                palettes.append((place, coder.palette))
            if alpha is not None:
                alpha[place] = pixels.alpha
        if "palettes" in group:
            storing_all(group["palettes"])[batch.region] = _together(palettes, group["palettes"], n)
        if alpha is not None:
            storing_all(group["alpha"])[batch.region] = alpha
        storing_all(group["codes"])[batch.region] = codes
        storing_all(group["metadata"])[batch.region] = metadata
        if bad:
            report = self.archive / DAMAGED_IN / f"{batch.stack}-{batch.start}.json"
            report.parent.mkdir(exist_ok=True)
            report.write_text(json.dumps(bad))
        # Written last, as the mark of a complete batch.
        storing_all(group["quality"])[batch.region] = quality
        return Written(tuple(bad))

    def _encoded(self, pixels: Pixels, coder: Coder, out: AnyArray) -> tuple[float, float, float]:
        """Write the codes of an image; return its PSNR in dB, SSIM and mean opacity."""
        colour, opacity = pixels.colour, opacity_of(pixels.alpha)
        dithered = coder.palette if self.dither and isinstance(coder, PaletteCoder) else None
        if dithered is not None:  # diffusion continues over the edges of strips
            out[...] = quantize(colour, dithered, dither=True, alpha=opacity)
        quality = Quality(colour.dtype)
        step = max(1, _STRIP // (coder.high * colour.shape[1]))
        for at in range(0, len(out), step):
            some = slice(at, at + step)
            lines = slice(at * coder.high, (at + step) * coder.high)
            own, own_opacity = colour[lines], None if opacity is None else opacity[lines]
            if dithered is None:
                out[some] = coder.codes(own, own_opacity)
            quality.add(own, coder.decode(out[some], own.shape), own_opacity)
        return quality.psnr, quality.ssim, quality.opacity


def _metadata(batch: Batch) -> AnyArray:
    """Return the metadata of the images of a batch as JSON, empty for damaged images."""
    item, pages = None, dict[int, Header]()
    srgb = any(header.to_srgb for header in batch.headers)
    frames = any(header.frames for header in batch.headers)
    lines = []
    for header in batch.headers:
        if header.item is not item:  # pages of a file are adjacent
            item, pages = header.item, {}
            with suppress(DamagedError):
                pages = {page.page: page for page in headers(header.item, None, srgb, frames)}
        page = pages.get(header.page)
        lines.append(json.dumps(page.metadata if page else {}, sort_keys=True))
    return np.array(lines, object)


def damaged_in(archive: Path) -> list[tuple[str, str]]:
    """Return name and reason of images that could not be decoded, in this run or earlier ones."""
    files = sorted((archive / DAMAGED_IN).glob("*.json"))
    return [(name, reason) for file in files for name, reason in json.loads(file.read_text())]


def _together(palettes: Sequence[tuple[int, Palette]], like: Any, n: int) -> AnyArray:
    """Assemble the palettes of n images."""
    out = np.zeros((n, *like.shape[1:]), like.dtype)
    for place, palette in palettes:
        out[place] = filled(palette, like.shape[1])
    return out


def filled(palette: Palette, k: int) -> AnyArray:
    """Pad the colours of a palette to (k, c) by repeating the last, which no code uses."""
    last = np.repeat(palette.colours[-1:], k - len(palette.colours), axis=0)
    return np.concatenate([palette.colours, last])
