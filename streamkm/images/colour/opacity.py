"""Opacity of pixels, their weight in palettes and in quality."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray

Opacity = npt.NDArray[np.uint8]


def opacity_of(alpha: AnyArray | None) -> Opacity | None:
    """Return the opacity on a scale of 0 to 255, or None if all pixels are opaque.

    Parameters
    ----------
    alpha : ndarray of any shape, uint8 or uint16, or None where there is no alpha channel
        16 bits are rounded up to the upper eight, so only fully transparent pixels have 0.

    Examples
    --------
    >>> opacity_of(np.array([0, 1, 257, 258, 65535], np.uint16)).tolist()
    [0, 1, 1, 2, 255]
    >>> opacity_of(np.array([255, 255], np.uint8)) is None
    True
    """
    if alpha is None or (alpha == np.iinfo(alpha.dtype).max).all():
        return None
    if alpha.dtype == np.uint8:
        return alpha
    return (-(-alpha.astype(np.int32) // 257)).astype(np.uint8)
