"""Conversion of pixels to codes and back, by a palette or a codebook of patches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from streamkm.arrays import AnyArray
from streamkm.decoding.header import Pixels
from streamkm.images.codebook.codebook import Codebook
from streamkm.images.codebook.patches import unpatched, visible_patches
from streamkm.images.coding.stack import Batch
from streamkm.images.coding.tables import colours_of
from streamkm.images.colour.opacity import Opacity
from streamkm.images.colour.palette import Palette
from streamkm.images.colour.palette_search import PaletteSearch

_CACHED = 2  # number of palettes whose tables, of up to 32 MiB, are cached


class Coder(Protocol):
    """Converts pixels (y, x, channel) to codes and back."""

    @property
    def high(self) -> int:
        """Number of rows of pixels for a row of codes."""

    def codes(self, pixels: AnyArray, opacity: Opacity | None = None) -> AnyArray:
        """Return codes (row, column) or (row, column, stage) of pixels with an opacity (y, x)."""

    def decode(self, codes: AnyArray, shape: tuple[int, ...]) -> AnyArray:
        """Return pixels of a shape (y, x, channel)."""


@dataclass(frozen=True)
class PaletteCoder:
    """One code for each pixel.

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
    """One code for each patch and stage.

    Parameters
    ----------
    codebook : Codebook
    patch : height and width of a patch
    """

    codebook: Codebook
    patch: tuple[int, int]

    @property
    def high(self) -> int:
        return self.patch[0]

    def codes(self, pixels: AnyArray, opacity: Opacity | None = None) -> AnyArray:
        rows, _ = visible_patches(pixels, opacity, self.patch)
        codes = self.codebook.codes(rows.reshape(-1, rows.shape[-1]))
        return codes.reshape(*rows.shape[:2], -1)

    def decode(self, codes: AnyArray, shape: tuple[int, ...]) -> AnyArray:
        height, width, channels = shape
        return unpatched(self.codebook.decode(codes), (height, width, channels), self.patch)


class Coders(Protocol):
    """Provides the coder of each image."""

    def for_image(self, batch: Batch, place: int, pixels: Pixels) -> Coder:
        """Return the coder of the image at a position in its batch."""


@dataclass(frozen=True)
class SharedCoders:
    """Existing coders, by kind and number."""

    coders: Mapping[str, tuple[Coder, ...]]

    def for_image(self, batch: Batch, place: int, pixels: Pixels) -> Coder:
        several = self.coders[batch.kind]
        coder = several[batch.palettes[place]]
        if len(several) > _CACHED and isinstance(coder, PaletteCoder):
            return PaletteCoder(Palette(coder.palette.colours, coder.palette.space))
        return coder


@dataclass(frozen=True)
class OwnCoders:
    """A palette for each image, fitted to its colours.

    Parameters
    ----------
    search : PaletteSearch
    cells : maximum number of cells of the table of an image's colours
    shared : coders of images of bands, whose codebook is shared by all images
    """

    search: PaletteSearch
    cells: int
    shared: SharedCoders

    def for_image(self, batch: Batch, place: int, pixels: Pixels) -> Coder:
        if batch.kind in self.shared.coders:
            return self.shared.for_image(batch, place, pixels)
        return PaletteCoder(self.search(colours_of(pixels, self.cells)))
