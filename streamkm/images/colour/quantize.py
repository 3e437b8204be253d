"""Codes of the pixels of an image, with or without error diffusion."""

from __future__ import annotations

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.images.colour.opacity import opacity_of
from streamkm.images.colour.palette import Codes, Palette, check_pixels
from streamkm.images.colour.spaces import to_space
from streamkm.kernels import Diffusion
from streamkm.passes.colours import OPAQUE


def quantize(
    image: AnyArray,
    palette: Palette,
    dither: bool = False,
    *,
    alpha: AnyArray | None = None,
) -> Codes:
    """Return the codes of an image: of the nearest colours, or with error diffusion.

    Parameters
    ----------
    image : ndarray of shape (h, w, c)
        Values of the channels without alpha, of the dtype of the palette.
    palette : Palette
        Colours of the codes.
    dither : bool
        Whether errors are diffused.
    alpha : ndarray of shape (h, w), uint8 or uint16, or None
        Opacity; None if all pixels are opaque. Errors are diffused in proportion to alpha. Fully
        transparent pixels diffuse no errors and have the code of the nearest colour.

    Returns
    -------
    ndarray of shape (h, w)
        Codes of the palette's `code_dtype`.

    Raises
    ------
    DataError
        If the channels or the dtype are not those of the palette, or `alpha` has another shape.

    References
    ----------
    R. W. Floyd and L. Steinberg (1976). "An adaptive algorithm for spatial greyscale". Proceedings
    of the Society for Information Display 17 (2), 75-77.

    Examples
    --------
    >>> import numpy as np
    >>> from streamkm.images import Palette, quantize
    >>> black_and_white = Palette(np.array([[0], [255]], dtype="u1"))
    >>> quantize(np.full((2, 4, 1), 128, "u1"), black_and_white, dither=True).tolist()
    [[1, 0, 1, 0], [0, 1, 0, 1]]
    """
    if not dither:
        return palette.codes(np.asarray(image))
    image = np.asarray(image)
    check_pixels(image, palette)
    codes = np.empty(image.shape[:2], palette.code_dtype)
    opacity = None if alpha is None else opacity_of(np.asarray(alpha))
    if opacity is not None and opacity.shape != codes.shape:
        raise DataError(f"alpha has shape {opacity.shape}, but the image has {codes.shape}.")
    coordinates = to_space(palette.colours, palette.space, palette.dtype)
    diffusion = Diffusion(coordinates, image.shape[1])
    for y, (line, into) in enumerate(zip(image, codes, strict=True)):
        values = to_space(line, palette.space, palette.dtype)
        diffusion(values, into, None if opacity is None else opacity[y] / OPAQUE)
    return codes
