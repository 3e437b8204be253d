"""How far decoded pixels are from the true ones, gathered strip by strip."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.kernels import structural_similarity

Array = npt.NDArray[Any]
_WINDOW = 7  # pixels a side, of structural similarity
_LUMA = np.array([299, 587, 114], np.uint32)  # ITU-R BT.601, thousandths


class Quality:
    """PSNR of all samples, and SSIM of the luma, of strips that follow each other.

    Parameters
    ----------
    dtype : of the pixels
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self._squares, self._samples = 0.0, 0
        self._similarity, self._rows = 0.0, 0
        self._last: tuple[Array, Array] | None = None

    def add(self, true: Array, decoded: Array) -> None:
        """The next strip (y, x, channel)."""
        apart = np.subtract(true, decoded, dtype=np.float64).reshape(-1)
        self._squares += float(apart @ apart)
        self._samples += true.size
        lumas = (luma(true), luma(decoded))
        if self._last is not None:  # windows that begin in the strip before
            lumas = tuple(  # type: ignore[assignment]
                np.concatenate([last, own]) for last, own in zip(self._last, lumas, strict=True)
            )
        self._last = (lumas[0][1 - _WINDOW :], lumas[1][1 - _WINDOW :])
        rows = len(lumas[0]) - _WINDOW + 1
        if rows > 0 and lumas[0].shape[1] >= _WINDOW:
            self._similarity += rows * structural_similarity(*lumas)
            self._rows += rows

    @property
    def psnr(self) -> float:
        """Peak signal-to-noise ratio in dB, infinite where nothing was lost."""
        return psnr(self._squares / self._samples, self._dtype) if self._samples else math.inf

    @property
    def ssim(self) -> float:
        """Mean structural similarity; NaN of images that are smaller than its window."""
        return self._similarity / self._rows if self._rows else math.nan


def psnr(distortion: float, dtype: np.dtype[Any]) -> float:
    """Peak signal-to-noise ratio in decibels of a mean squared error of pixels.

    Examples
    --------
    >>> round(psnr(6.5025, np.dtype(np.uint8)), 6)
    40.0
    """
    peak = int(np.iinfo(dtype).max)
    return math.inf if distortion == 0 else 10 * math.log10(peak * peak / distortion)


def luma(pixels: Array) -> Array:
    """What is light and dark (y, x) in pixels (y, x, channel), in their dtype."""
    if pixels.shape[-1] == 3:
        return (pixels.astype(np.uint32) @ _LUMA // 1000).astype(pixels.dtype)
    return pixels.mean(axis=-1).astype(pixels.dtype) if pixels.shape[-1] > 1 else pixels[..., 0]
