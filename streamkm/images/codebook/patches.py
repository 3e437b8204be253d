"""Conversion of images to rows of patches and back."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray
from streamkm.images.colour.opacity import Opacity
from streamkm.passes.colours import OPAQUE


def grid(extent: tuple[int, int], shape: tuple[int, int]) -> tuple[int, int]:
    """Return the numbers of rows and columns of patches that cover an image.

    Examples
    --------
    >>> grid((533, 800), (4, 4))
    (134, 200)
    """
    return -(-extent[0] // shape[0]), -(-extent[1] // shape[1])


def patches(pixels: AnyArray, shape: tuple[int, int]) -> AnyArray:
    """Return the patches of an image, each as a row of features.

    Parameters
    ----------
    pixels : ndarray of shape (h, w, c), of any dtype
    shape : height and width of a patch

    Returns
    -------
    ndarray of shape (rows, columns, height * width * c), C-contiguous
        Patches that extend over the right and lower edges repeat the edge. It is a view for patches
        of one pixel and for patches as wide as the image.
    """
    (h, w, c), (down, across) = pixels.shape, shape
    rows, columns = grid((h, w), shape)
    beyond = (0, rows * down - h), (0, columns * across - w), (0, 0)
    if any(after for _, after in beyond):
        pixels = np.pad(pixels, beyond, mode="edge")
    apart = pixels.reshape(rows, down, columns, across, c)
    return np.ascontiguousarray(apart.swapaxes(1, 2)).reshape(rows, columns, math.prod(shape) * c)


def visible_patches(
    pixels: AnyArray, opacity: Opacity | None, shape: tuple[int, int]
) -> tuple[AnyArray, npt.NDArray[np.int64]]:
    """Return patches without the colours of fully transparent pixels, and their weights.

    Fully transparent pixels take the mean, weighted by opacity, of the pixels of their patch, or
    zero where the whole patch is fully transparent.

    Parameters
    ----------
    pixels : ndarray of shape (h, w, c), uint8 or uint16
    opacity : ndarray of shape (h, w), uint8, or None where all pixels are opaque
    shape : height and width of a patch

    Returns
    -------
    rows : ndarray of shape (rows, columns, height * width * c), as from `patches`
    weights : ndarray of shape (rows, columns), int64, sum of the opacity of the pixels of each
        patch
    """
    rows = patches(pixels, shape)
    if opacity is None:
        return rows, np.full(rows.shape[:2], OPAQUE * math.prod(shape))
    weights = patches(opacity[..., None], shape).astype(np.int64)
    partly = np.nonzero((weights == 0).any(axis=-1))
    if len(partly[0]):
        each = weights[partly][..., None]
        some = rows[partly].reshape(*each.shape[:2], pixels.shape[2])
        total = each.sum(axis=1, keepdims=True)
        mean = (some * each).sum(axis=1, keepdims=True) / np.maximum(1, total)
        rows = np.array(rows)  # possibly a view of the image
        rows[partly] = np.where(each > 0, some, np.rint(mean)).reshape(len(each), -1)
    return rows, weights.sum(axis=-1)


def unpatched(patches: AnyArray, extent: tuple[int, int, int], shape: tuple[int, int]) -> AnyArray:
    """Return the image of patches.

    Parameters
    ----------
    patches : ndarray of shape (rows, columns, height * width * c)
    extent : shape (h, w, c) of the image
    shape : height and width of a patch

    Returns
    -------
    ndarray of shape (h, w, c)
    """
    (h, w, c), (down, across) = extent, shape
    rows, columns = patches.shape[:2]
    apart = patches.reshape(rows, columns, down, across, c).swapaxes(1, 2)
    return apart.reshape(rows * down, columns * across, c)[:h, :w]
