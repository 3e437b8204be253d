"""Meaning of the samples of a TIFF, and their conversion to pixels.

GDAL reads samples as they are stored. In photographs a palette index means a colour, 0 may mean
white, and 12 bits may be the full range. Bands are measurements and stay as they are stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray

_BITS, _PHOTOMETRIC, _SAMPLES, _COLOURS, _INKS, _EXTRA = 258, 262, 277, 320, 332, 338
# By photometric interpretation: the kind, and the number of samples of a pixel without alpha.
_KINDS = {0: ("grey", 1), 1: ("grey", 1), 2: ("rgb", 3), 3: ("palette", 1), 5: ("cmyk", 4)}
_CHANNELS = {"grey": 1, "rgb": 3, "palette": 3, "cmyk": 3}
_MULTIPLIED, _PLAIN = 1, 2  # values of extra samples that mean alpha


@dataclass(frozen=True, slots=True)
class Samples:
    """The meaning of the samples of an image.

    Parameters
    ----------
    kind : 'grey', 'rgb', 'palette', 'cmyk', 'bands', or a photometric interpretation as a number
    bits : bits of a sample
    alpha : whether the last sample is alpha
    inverted : whether 0 is white
    multiplied : whether colours are premultiplied by alpha
    colours : ndarray of shape (n, 3), uint16, or None: the palette
    converted : whether the reader converted another colour model to 8-bit RGB
    """

    kind: str
    bits: int
    alpha: bool = False
    inverted: bool = False
    multiplied: bool = False
    colours: AnyArray | None = None
    converted: bool = False

    @property
    def dtype(self) -> str:
        return "uint8" if self.bits <= 8 else "uint16"

    @property
    def as_stored(self) -> bool:
        """Whether the pixels are the stored samples."""
        plain = self.kind in ("grey", "rgb") and self.bits in (8, 16) and not self.multiplied
        return self.kind == "bands" or (plain and not self.inverted and not self.converted)

    def fits(self, count: int) -> bool:
        """Return whether this meaning is possible for pixels of `count` samples."""
        own = {"cmyk": 4, "rgb": 3, "bands": max(1, count - self.alpha)}.get(self.kind, 1)
        return self.converted or count == own + self.alpha

    def channels(self, count: int) -> int:
        """Return the number of colour channels for pixels of `count` samples."""
        return _CHANNELS.get(self.kind, count - self.alpha)


def samples_of(tags: Any) -> Samples:
    """Return the meaning of the samples of a TIFF's page by its tags.

    Parameters
    ----------
    tags : mapping of numbers to values
    """
    bits = max(_numbers(tags.get(_BITS, 1)))
    photometric, count = tags.get(_PHOTOMETRIC, 1), tags.get(_SAMPLES, 1)
    extra = _numbers(tags.get(_EXTRA, 0))[-1]
    alpha = extra in (_MULTIPLIED, _PLAIN)
    if photometric == 6:  # YCbCr, which GDAL converts
        return Samples("rgb", bits)
    if photometric not in _KINDS:
        return Samples(str(photometric), bits)
    kind, own = _KINDS[photometric]
    if count != own + alpha or (kind == "cmyk" and tags.get(_INKS, 1) != 1):
        return Samples("bands", bits, alpha and count > 1)
    colours = _palette(tags, bits) if kind == "palette" else None
    return Samples(kind, bits, alpha, photometric == 0, extra == _MULTIPLIED, colours)


def pixels_of(values: AnyArray, samples: Samples) -> tuple[AnyArray, AnyArray | None]:
    """Convert stored samples (h, w, n) to colour (h, w, channels) and alpha (h, w)."""
    if samples.alpha:
        colour, alpha = values[..., :-1], _full(values[..., -1], samples.bits)
    else:
        colour, alpha = values, None
    if samples.kind == "palette":
        assert samples.colours is not None
        if int(colour.max(initial=0)) >= len(samples.colours):
            raise ValueError("a pixel refers to a colour beyond the end of the palette")
        colour = samples.colours.astype(samples.dtype)[colour[..., 0]]
    elif samples.kind != "bands":
        colour = _full(colour, samples.bits)
        if samples.inverted:
            colour = np.iinfo(colour.dtype).max - colour
        if samples.kind == "cmyk":
            colour = _rgb(colour)
    if samples.multiplied and alpha is not None and samples.kind != "bands":
        colour = _divided(colour, alpha)
    return np.ascontiguousarray(colour), None if alpha is None else np.ascontiguousarray(alpha)


def scaled(values: AnyArray, top: int, dtype: str) -> AnyArray:
    """Scale values 0 to `top` to the full range of a dtype, rounded.

    Examples
    --------
    >>> scaled(np.array([0, 1, 3]), 3, "uint8")
    array([  0,  85, 255], dtype=uint8)
    """
    most = int(np.iinfo(dtype).max)
    if top == most:
        return values.astype(dtype, copy=False)
    table = (np.arange(top + 1, dtype=np.uint64) * most + top // 2) // top
    if int(values.max(initial=0)) > top:
        raise ValueError(
            f"it holds the value {int(values.max())}, above its declared maximum {top}"
        )
    return table.astype(dtype)[values]


def _full(values: AnyArray, bits: int) -> AnyArray:
    return scaled(values, 2**bits - 1, "uint8" if bits <= 8 else "uint16")


def _rgb(inks: AnyArray) -> AnyArray:
    """Convert CMYK to RGB without a profile: (1 - ink) (1 - black)."""
    most = np.uint64(np.iinfo(inks.dtype).max)
    light = most - inks.astype(np.uint64)
    product: AnyArray = (light[..., :3] * light[..., 3:] + most // np.uint64(2)) // most
    return product.astype(inks.dtype)


def _divided(colour: AnyArray, alpha: AnyArray) -> AnyArray:
    """Divide premultiplied colours by alpha; transparent pixels become 0."""
    most = np.uint64(np.iinfo(colour.dtype).max)
    by = np.maximum(alpha, 1).astype(np.uint64)[..., None]
    plain: AnyArray = np.minimum((colour.astype(np.uint64) * most + by // np.uint64(2)) // by, most)
    return np.where(alpha[..., None] > 0, plain, 0).astype(colour.dtype)


def _palette(tags: Any, bits: int) -> AnyArray | None:
    values = np.array(_numbers(tags.get(_COLOURS, ())), np.uint16)
    if values.size != 3 * 2**bits:
        raise ValueError(f"its palette has {values.size} values; {bits} bits need {3 * 2**bits}")
    colours = values.reshape(3, -1).T
    if bits > 8 or values.max() < 256:  # some programs write colours with 8 bits
        return colours
    return colours >> 8


def _numbers(value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)
