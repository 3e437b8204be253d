"""A small signature of an image: the layout of its lightness and of its colours."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array

Uint8Array = npt.NDArray[np.uint8]
Int64Array = npt.NDArray[np.int64]

_LIGHT, _COLOUR = 12, 6  # cells along a side of the layouts of lightness and of colours
LENGTH = _LIGHT**2 + 2 * _COLOUR**2 + 1  # bytes of a signature
_FAINT = 0.06  # contrast below which the layout of lightness counts less, as a share of the range
_STEPS = 32  # steps of a stored value for a difference of one
_MIDDLE = 128
_LUMA = np.array([0.299, 0.587, 0.114])
# Differences of colours weigh more than their small numbers, and the lightness in all less.
_OF_COLOUR, _OF_MEAN = 4.0, 1.0


def signature(pixels: AnyArray, opacity: AnyArray | None = None) -> Uint8Array:
    """Return the signature of an image.

    The lightness in 12 x 12 cells, minus its mean and divided by its standard deviation; two
    differences of colour in 6 x 6 cells; and the mean lightness. Size, noise and compression change
    it little, brightness and contrast change only its last part.

    Parameters
    ----------
    pixels : ndarray of shape (y, x, channel), uint8 or uint16
    opacity : ndarray of shape (y, x), or None
        Opacity of the pixels, which are seen on white.

    Returns
    -------
    ndarray of shape (217,), uint8

    Examples
    --------
    >>> flat = signature(np.full((20, 30, 3), 128, "u1"))
    >>> flat.shape, len(set(flat[:-1].tolist()))
    ((217,), 1)
    """
    fine = _cells(pixels, opacity, _LIGHT) / np.iinfo(pixels.dtype).max
    if fine.shape[-1] != 3:  # grey, or bands, of which the mean is compared
        fine = np.repeat(fine.mean(axis=-1, keepdims=True), 3, axis=-1)
    light = fine @ _LUMA
    mean, contrast = light.mean(), light.std()
    layout = (light - mean) / max(contrast, _FAINT)
    half = _LIGHT // _COLOUR
    coarse = fine.reshape(_COLOUR, half, _COLOUR, half, 3).mean(axis=(1, 3))
    grey = coarse @ _LUMA
    colours = _OF_COLOUR * (coarse[..., [0, 2]] - grey[..., None])
    values = np.concatenate([layout.ravel(), colours.ravel(), [_OF_MEAN * (mean - 0.5)]])
    stored: Uint8Array = np.clip(np.rint(values * _STEPS + _MIDDLE), 0, 255).astype(np.uint8)
    return stored


def weighted(signatures: Uint8Array) -> npt.NDArray[np.float32]:
    """Return signatures (n, 217) as points whose Euclidean distance compares images.

    The layouts of lightness and of colours each have the root mean square of their cells.
    """
    points = signatures.astype(np.float32)
    points -= _MIDDLE
    points /= _STEPS
    points[:, : _LIGHT**2] /= _LIGHT
    points[:, _LIGHT**2 : -1] /= _COLOUR
    return points


def _cells(pixels: AnyArray, opacity: AnyArray | None, n: int) -> Float64Array:
    """Return the means (n, n, channel) of n x n equal parts of an image, some of part pixels."""
    top = np.iinfo(pixels.dtype).max
    height, width, channels = pixels.shape
    rows = np.empty((n, width, channels))
    edges = np.linspace(0, height, n + 1)
    for place in range(n):  # one strip at a time, so that the whole image is not converted
        start, stop = edges[place], edges[place + 1]
        first, last = int(start), min(height, int(np.ceil(stop)))
        weights = np.minimum(stop, np.arange(first, last) + 1) - np.maximum(
            start, np.arange(first, last)
        )
        strip = pixels[first:last].astype(np.float64)
        if opacity is not None:
            share = (opacity[first:last] / np.iinfo(opacity.dtype).max)[..., None]
            strip = strip * share + top * (1 - share)
        rows[place] = np.tensordot(weights, strip, 1) / weights.sum()
    sums = np.concatenate([np.zeros((n, 1, channels)), np.cumsum(rows, axis=1)], axis=1)
    at = np.linspace(0, width, n + 1)
    low = np.minimum(at.astype(int), width - 1)
    upto = sums[:, low] + (at - low)[:, None] * rows[:, low]
    means: Float64Array = np.diff(upto, axis=1) * n / width
    return means
