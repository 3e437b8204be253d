"""Bits a pixel: what a codebook takes, and which keeps to a number of them."""

from __future__ import annotations

import math

from streamkm.errors import DataError

# Beyond, a search through all codewords costs more than 5 microseconds a patch and core.
_CODEWORDS = 4096
# One stage of 12 bits is as good as two of 14.6 bits together, of a million patches (33.85 dB; two
# of 14 bits 33.51, of 15 bits 34.11): so much a further one must bring to be of use.
_WORTH_A_STAGE = 3.0
_ROUNDING = 1e-9


def bits_per_pixel(k: int, stages: int, shape: tuple[int, int] = (4, 4)) -> float:
    """Bits of a pixel's codes, before any are packed better.

    Examples
    --------
    >>> bits_per_pixel(256, 2)
    1.0
    """
    return stages * math.log2(k) / math.prod(shape)


def choose(
    bits: float, shape: tuple[int, int] = (4, 4), *, most: int = _CODEWORDS
) -> tuple[int, int]:
    """Codewords and stages that take `bits` a pixel, or just less.

    In as few stages as `most` codewords allow, because at the same rate one stage of many codewords
    is better than several of few; it is also slower, in proportion to their number. A further stage
    is added where it brings 3 bits a patch or more.

    Parameters
    ----------
    bits : of a pixel
    shape : of a patch
    most : codewords of a stage at most, up to 65,536

    Returns
    -------
    (k, stages)

    Raises
    ------
    DataError
        Where a patch would have less than one bit.

    Examples
    --------
    >>> choose(0.75)
    (4096, 1)
    >>> choose(1.0)
    (256, 2)
    >>> choose(0.8)
    (4096, 1)
    >>> choose(1.0, most=65536)
    (65536, 1)
    """
    each = bits * math.prod(shape)
    if not 1 - _ROUNDING <= each < math.inf:
        raise DataError(
            f"{bits:g} bits a pixel are {each:g} a patch of {shape[0]} x {shape[1]}; give one bit "
            "a patch or more, or larger patches."
        )
    fewer = int(each / math.log2(most) + _ROUNDING)
    k = int(2 ** (each / (fewer + 1)) + _ROUNDING)
    if fewer and (fewer + 1) * math.log2(k) < fewer * math.log2(most) + _WORTH_A_STAGE:
        return most, fewer
    return k, fewer + 1
