"""Colour spaces of distances: sRGB as stored, or OKLab, which follows perception.

OKLab (Björn Ottosson, "A perceptual color space for image processing", 2020) is a linear transform
of the cube roots of cone responses; its first axis is lightness.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array
from streamkm.errors import DataError

SPACES = ("srgb", "oklab")


_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def check_space(space: str, channels: int) -> None:
    """Raise an error for an unknown space, or one that does not apply to the colours."""
    if space not in SPACES:
        raise DataError(f"space={space!r} is unknown; use one of {', '.join(SPACES)}.")
    if space == "oklab" and channels != 3:
        raise DataError(
            f"space='oklab' needs RGB pixels, not {channels} channel(s); use 'srgb', which uses "
            "the stored values of any channels."
        )


def space_of(channels: int, space: str) -> str:
    """Return the space for a number of channels; only three can use spaces other than sRGB."""
    return space if channels == 3 else "srgb"


def to_space(colours: AnyArray, space: str, dtype: npt.DTypeLike) -> Float64Array:
    """Return the coordinates (..., c) of colours (..., c) on the scale of `dtype`, uint8 or uint16.

    The colours need not be integers. In sRGB the coordinates are the colours.
    """
    values = np.asarray(colours, np.float64)
    if space == "srgb":
        return values
    encoded = values / np.iinfo(np.dtype(dtype)).max
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    lab: Float64Array = np.cbrt(linear @ _TO_CONES.T) @ _TO_LAB.T
    return lab


def from_space(values: Float64Array, space: str, dtype: npt.DTypeLike) -> AnyArray:
    """Return the colours (..., c) of `dtype` at coordinates (..., c), rounded and clipped."""
    high = np.iinfo(np.dtype(dtype)).max
    if space == "oklab":
        linear = (values @ np.linalg.inv(_TO_LAB).T) ** 3 @ np.linalg.inv(_TO_CONES).T
        linear = np.clip(linear, 0, 1)
        bright = 1.055 * linear ** (1 / 2.4) - 0.055
        values = high * np.where(linear <= 0.04045 / 12.92, 12.92 * linear, bright)
    return np.clip(np.rint(values), 0, high).astype(dtype)


def lightness(colours: AnyArray) -> Float64Array:
    """Return the lightness of colours (k, c): OKLab's first axis, or the mean of other channels."""
    if colours.shape[1] == 3:
        return to_space(colours, "oklab", colours.dtype)[:, 0]
    mean: Float64Array = colours.mean(axis=1)
    return mean


def in_8_bits(values: AnyArray) -> AnyArray:
    """Return values of 16 bits as their upper eight bits."""
    return values if values.dtype == np.uint8 else (values >> 8).astype(np.uint8)
