"""How far decoded pixels are from the true ones, gathered strip by strip."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.images.colour.opacity import Opacity
from streamkm.kernels import structural_similarity
from streamkm.passes.colours import OPAQUE

_WINDOW = 7  # pixels a side, of structural similarity
_LUMA = np.array([299, 587, 114], np.uint32)  # ITU-R BT.601, thousandths


class Quality:
    """PSNR of all samples, and SSIM of the luma, of strips that follow each other.

    Pixels are weighted by their opacity, and windows of SSIM by the mean opacity of their pixels.
    SSIM is that of the image on white.

    Parameters
    ----------
    dtype : of the pixels
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self._squares, self._samples = 0.0, 0.0
        self._pixels, self._seen = 0, 0.0
        self._similarity, self._rows = 0.0, 0.0
        self._last: tuple[AnyArray, ...] | None = None

    def add(self, true: AnyArray, decoded: AnyArray, opacity: Opacity | None = None) -> None:
        """The next strip (y, x, channel), and its opacity (y, x), or None of opaque images."""
        apart = np.subtract(true, decoded, dtype=np.float64).reshape(-1)
        pixels = true.shape[0] * true.shape[1]
        seen = float(pixels)
        if opacity is None:
            self._squares += float(apart @ apart)
        else:
            weights = opacity.repeat(true.shape[2]) / OPAQUE
            self._squares += float(weights @ np.square(apart))
            seen = int(opacity.sum(dtype=np.int64)) / OPAQUE
        self._pixels += pixels
        self._seen += seen
        self._samples += seen * true.shape[2]
        strip: tuple[AnyArray, ...] = (luma(true), luma(decoded))
        if opacity is not None:
            strip = (*(_on_white(plane, opacity) for plane in strip), opacity)
        self._compare(strip)

    def _compare(self, strip: tuple[AnyArray, ...]) -> None:
        """Add the similarity of the next strip: both lumas, and the opacity where there is any."""
        if self._last is not None:  # windows that begin in the strip before
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
        """Peak signal-to-noise ratio in dB, infinite where nothing that is seen was lost."""
        return psnr(self._squares / self._samples, self._dtype) if self._samples else math.inf

    @property
    def ssim(self) -> float:
        """Mean structural similarity; NaN of images that have no window that is seen."""
        return self._similarity / self._rows if self._rows else math.nan

    @property
    def opacity(self) -> float:
        """Mean opacity, from 0 to 1."""
        return self._seen / self._pixels if self._pixels else 1.0


def psnr(distortion: float, dtype: np.dtype[Any]) -> float:
    """Peak signal-to-noise ratio in decibels of a mean squared error of pixels.

    Examples
    --------
    >>> round(psnr(6.5025, np.dtype(np.uint8)), 6)
    40.0
    """
    peak = int(np.iinfo(dtype).max)
    return math.inf if distortion == 0 else 10 * math.log10(peak * peak / distortion)


def _on_white(plane: AnyArray, opacity: Opacity) -> AnyArray:
    """A plane (y, x) as it is seen on white, in its dtype."""
    white = int(np.iinfo(plane.dtype).max)
    seen = plane.astype(np.int64) * opacity + white * (OPAQUE - opacity.astype(np.int64))
    on_white: AnyArray = (seen // OPAQUE).astype(plane.dtype)
    return on_white


def luma(pixels: AnyArray) -> AnyArray:
    """What is light and dark (y, x) in pixels (y, x, channel), in their dtype."""
    if pixels.shape[-1] == 3:
        return (pixels.astype(np.uint32) @ _LUMA // 1000).astype(pixels.dtype)
    return pixels.mean(axis=-1).astype(pixels.dtype) if pixels.shape[-1] > 1 else pixels[..., 0]
