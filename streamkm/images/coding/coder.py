"""What turns pixels into codes and back: a palette, or a codebook of patches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from streamkm.arrays import AnyArray
from streamkm.decoding.header import Pixels
from streamkm.images.codebook.codebook import Codebook
from streamkm.images.codebook.patches import seen_patches, unpatched
from streamkm.images.coding.stack import Batch
from streamkm.images.coding.tables import colours_of
from streamkm.images.colour.opacity import Opacity
from streamkm.images.colour.options import Search
from streamkm.images.colour.palette import Palette

_KEPT = 2  # palettes whose tables, of up to 32 MiB, stay for the next image


class Coder(Protocol):
    """Pixels (y, x, channel) to codes and back."""

    @property
    def high(self) -> int:
        """Rows of pixels that a row of codes stands for."""

    def codes(self, pixels: AnyArray, opacity: Opacity | None = None) -> AnyArray:
        """Codes (row, column), or (row, column, stage), of pixels of an opacity (y, x)."""

    def decode(self, codes: AnyArray, shape: tuple[int, ...]) -> AnyArray:
        """Pixels of a shape (y, x, channel)."""


@dataclass(frozen=True)
class PaletteCoder:
    """A code a pixel.

    Parameters
    ----------
    palette : Palette
    """

    palette: Palette

    @property
    def high(self) -> int:
        return 1

    def codes(self, pixels: AnyArray, opacity: Opacity | None = None) -> AnyArray:
        codes: AnyArray = self.palette.codes(pixels)
        return codes

    def decode(self, codes: AnyArray, shape: tuple[int, ...]) -> AnyArray:
        pixels: AnyArray = self.palette.decode(codes)
        return pixels


@dataclass(frozen=True)
class PatchCoder:
    """A code a patch, or one a stage.

    Parameters
    ----------
    codebook : Codebook
    patch : height and width
    """

    codebook: Codebook
    patch: tuple[int, int]

    @property
    def high(self) -> int:
        return self.patch[0]

    def codes(self, pixels: AnyArray, opacity: Opacity | None = None) -> AnyArray:
        rows, _ = seen_patches(pixels, opacity, self.patch)
        codes = self.codebook.codes(rows.reshape(-1, rows.shape[-1]))
        return codes.reshape(*rows.shape[:2], -1)

    def decode(self, codes: AnyArray, shape: tuple[int, ...]) -> AnyArray:
        height, width, channels = shape
        return unpatched(self.codebook.decode(codes), (height, width, channels), self.patch)


class Coders(Protocol):
    """Which coder an image has."""

    def of(self, batch: Batch, place: int, pixels: Pixels) -> Coder:
        """That of the image at a place of its batch."""


@dataclass(frozen=True)
class Shared:
    """Coders that were made before, by kind and number."""

    coders: Mapping[str, tuple[Coder, ...]]

    def of(self, batch: Batch, place: int, pixels: Pixels) -> Coder:
        several = self.coders[batch.kind]
        coder = several[batch.palettes[place]]
        if len(several) > _KEPT and isinstance(coder, PaletteCoder):
            return PaletteCoder(Palette(coder.palette.colours, coder.palette.space))
        return coder


@dataclass(frozen=True)
class Own:
    """A palette for each image, fitted to it.

    Parameters
    ----------
    search : Search
    cells : of the table of an image's colours
    shared : of bands, whose codebook is of all images
    """

    search: Search
    cells: int
    shared: Shared

    def of(self, batch: Batch, place: int, pixels: Pixels) -> Coder:
        if batch.kind in self.shared.coders:
            return self.shared.of(batch, place, pixels)
        return PaletteCoder(self.search(colours_of(pixels, self.cells)))
