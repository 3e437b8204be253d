"""Tables of the colours of an archive, one for each palette, from one read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from streamkm.decoding.decode import decode_each
from streamkm.decoding.header import Pixels
from streamkm.images.coding.stack import Batch
from streamkm.images.colour.opacity import opacity_of
from streamkm.passes import Colours, Statistic

_STRIP = 2**18  # pixels that are counted together


@dataclass(frozen=True)
class Tables(Statistic):
    """Tables of colours by palette.

    Parameters
    ----------
    parts : tuple of (kind, number, Colours), sorted
    bad : tuple of (name, reason) of the images that could not be decoded
    """

    parts: tuple[tuple[str, int, Colours], ...] = ()
    bad: tuple[tuple[str, str], ...] = ()

    @classmethod
    def combine(cls, parts: Sequence[Tables]) -> Tables:
        together: dict[tuple[str, int], list[Colours]] = {}
        for part in parts:
            for kind, number, colours in part.parts:
                together.setdefault((kind, number), []).append(colours)
        tables = tuple((*key, Colours.combine(together[key])) for key in sorted(together))
        return cls(tables, tuple(bad for part in parts for bad in part.bad))


@dataclass(frozen=True)
class Count:
    """Count the colours of a batch of images.

    Parameters
    ----------
    most : maximum number of cells of a table
    most_nbytes : maximum decoded bytes of an image
    """

    most: int
    most_nbytes: int

    def __call__(self, batch: Batch) -> Tables:
        tables = Tables()
        bad: list[tuple[str, str]] = []
        for place, pixels in decode_each(batch.headers, self.most_nbytes, bad):
            image = Tables(((batch.kind, batch.palettes[place], colours_of(pixels, self.most)),))
            tables = Tables.combine([tables, image])
        return replace(tables, bad=tuple(bad))


def colours_of(pixels: Pixels, most: int) -> Colours:
    """Count the colours of an image, weighted by opacity, strip by strip."""
    flat = pixels.colour.reshape(-1, pixels.colour.shape[-1])
    table = Colours.none(flat.shape[1], most, flat.dtype)
    for at in range(0, len(flat), _STRIP):
        some = slice(at, at + _STRIP)
        opacity = None if pixels.alpha is None else opacity_of(pixels.alpha.reshape(-1)[some])
        table = Colours.combine([table, Colours.from_pixels(flat[some], most, opacity)])
    return table
