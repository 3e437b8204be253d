"""Quality of decoded pixels, computed strip by strip."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.images.colour.opacity import Opacity
from streamkm.kernels import structural_similarity
from streamkm.passes.colours import OPAQUE

_WINDOW = 7  # side of a window of structural similarity, in pixels
_LUMA = np.array([299, 587, 114], np.uint32)  # ITU-R BT.601, thousandths


class Quality:
    """PSNR of all samples and SSIM of the luma of consecutive strips.

    Pixels are weighted by their opacity, and windows of SSIM by the mean opacity of their pixels.
    SSIM compares the images on white.

    Parameters
    ----------
    dtype : dtype of the pixels
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self._squares, self._samples = 0.0, 0.0
        self._pixels, self._opaque = 0, 0.0
        self._similarity, self._rows = 0.0, 0.0
        self._last: tuple[AnyArray, ...] | None = None

    def add(self, true: AnyArray, decoded: AnyArray, opacity: Opacity | None = None) -> None:
        """Add the next strip (y, x, channel) with its opacity (y, x), or None for opaque images."""
        apart = np.subtract(true, decoded, dtype=np.float64).reshape(-1)
        pixels = true.shape[0] * true.shape[1]
        opaque = float(pixels)
        if opacity is None:
            self._squares += float(apart @ apart)
        else:
            weights = opacity.repeat(true.shape[2]) / OPAQUE
            self._squares += float(weights @ np.square(apart))
            opaque = int(opacity.sum(dtype=np.int64)) / OPAQUE
        self._pixels += pixels
        self._opaque += opaque
        self._samples += opaque * true.shape[2]
        strip: tuple[AnyArray, ...] = (luma(true), luma(decoded))
        if opacity is not None:
            strip = (*(_on_white(plane, opacity) for plane in strip), opacity)
        self._compare(strip)

    def _compare(self, strip: tuple[AnyArray, ...]) -> None:
        """Add the similarity of the next strip from both lumas and the opacity, if any."""
        if self._last is not None:  # windows that begin in the previous strip
            strip = tuple(np.concatenate(both) for both in zip(self._last, strip, strict=True))
        self._last = tuple(part[1 - _WINDOW :] for part in strip)
        rows = len(strip[0]) - _WINDOW + 1
        if rows > 0 and strip[0].shape[1] >= _WINDOW:
            similarity, weight = structural_similarity(*strip)
            if weight:
                self._similarity += rows * weight * similarity
                self._rows += rows * weight

    @property
    def psnr(self) -> float:
        """Peak signal-to-noise ratio in dB; infinite if visible pixels are lossless."""
        return psnr(self._squares / self._samples, self._dtype) if self._samples else math.inf

    @property
    def ssim(self) -> float:
        """Mean structural similarity; NaN for images without a visible window."""
        return self._similarity / self._rows if self._rows else math.nan

    @property
    def opacity(self) -> float:
        """Mean opacity, from 0 to 1."""
        return self._opaque / self._pixels if self._pixels else 1.0


def psnr(distortion: float, dtype: np.dtype[Any]) -> float:
    """Return the peak signal-to-noise ratio in decibels for a mean squared error of pixels.

    Examples
    --------
    >>> round(psnr(6.5025, np.dtype(np.uint8)), 6)
    40.0
    """
    peak = int(np.iinfo(dtype).max)
    return math.inf if distortion == 0 else 10 * math.log10(peak * peak / distortion)


def _on_white(plane: AnyArray, opacity: Opacity) -> AnyArray:
    """Return a plane (y, x) on a white background, in its dtype."""
    white = int(np.iinfo(plane.dtype).max)
    mixed = plane.astype(np.int64) * opacity + white * (OPAQUE - opacity.astype(np.int64))
    on_white: AnyArray = (mixed // OPAQUE).astype(plane.dtype)
    return on_white


def luma(pixels: AnyArray) -> AnyArray:
    """Return the luma (y, x) of pixels (y, x, channel), in their dtype."""
    if pixels.shape[-1] == 3:
        return (pixels.astype(np.uint32) @ _LUMA // 1000).astype(pixels.dtype)
    return pixels.mean(axis=-1).astype(pixels.dtype) if pixels.shape[-1] > 1 else pixels[..., 0]
