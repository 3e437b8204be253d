"""Floyd-Steinberg error diffusion (Proc. SID 17(2), 1976), line by line in serpentine order."""

from __future__ import annotations

import numpy as np

from streamkm.arrays import AnyArray, Float64Array
from streamkm.kernels._jit import kernel


@kernel
def _nearest(value, columns, apart):  # type: ignore[no-untyped-def]
    """Return the nearest colour of a palette with columns (c, k); ties go to the lowest index."""
    apart[:] = 0.0
    for j in range(len(value)):
        for code in range(len(apart)):
            difference = columns[j, code] - value[j]
            apart[code] += difference * difference
    best = 0
    for code in range(1, len(apart)):
        if apart[code] < apart[best]:
            best = code
    return best


@kernel
def _diffuse(values, opacity, columns, limits, below, codes, back):  # type: ignore[no-untyped-def]
    """Write the codes of a line and the errors that it diffuses to the next line.

    Inputs are values (w, c), opacity (w,) from 0 to 1, columns (c, k) of the palette, limits
    (2, c), and `back`, which is true if the line is processed from its end. Outputs are codes (w,)
    and below (w + 2, c): row i + 1 has the error that pixel i receives from the line before and,
    afterwards, the error for the pixel below it.
    """
    width, channels = values.shape
    value, apart = np.empty(channels), np.empty(columns.shape[1])
    ahead, under = np.zeros(channels), np.zeros(channels)
    step = -1 if back else 1
    i = width - 1 if back else 0
    for _ in range(width):
        at = i + 1
        for j in range(channels):
            # Clipped to the range of the palette; otherwise errors that no colour can offset
            # accumulate.
            wanted = values[i, j] + below[at, j] + ahead[j]
            value[j] = min(max(wanted, limits[0, j]), limits[1, j])
            if opacity[i] == 0:
                value[j] = values[i, j]
        code = _nearest(value, columns, apart)
        codes[i] = code
        for j in range(channels):
            error = opacity[i] * (value[j] - columns[j, code]) / 16
            ahead[j] = 7 * error
            below[at - step, j] += 3 * error
            below[at, j] = under[j] + 5 * error
            under[j] = error
        i += step


class Diffusion:
    """Error diffusion of one image, called with its lines in order.

    Parameters
    ----------
    colours : ndarray of shape (k, c), float64
    width : int, width of the image in pixels
    """

    def __init__(self, colours: Float64Array, width: int) -> None:
        self._columns = np.ascontiguousarray(colours.T)
        self._limits = np.stack([colours.min(axis=0), colours.max(axis=0)])
        self._owed = np.zeros((width + 2, colours.shape[1]))
        self._opaque = np.ones(width)
        self._back = False

    def __call__(
        self,
        values: Float64Array,
        codes: AnyArray,
        opacity: Float64Array | None = None,
    ) -> None:
        """Write the codes (w,) of the next line with values (w, c).

        The error of a pixel is diffused in proportion to its opacity (w,), 0 to 1, by default 1.
        """
        opacity = self._opaque if opacity is None else opacity
        _diffuse(values, opacity, self._columns, self._limits, self._owed, codes, self._back)
        self._back = not self._back
