"""Choice of a codebook for a number of bits per pixel."""

from __future__ import annotations

import math

from streamkm.errors import DataError

# For more codewords, a full search takes more than 5 microseconds for each patch on one core.
_CODEWORDS = 4096
# For a million patches, one stage of 12 bits is as good as two stages with 14.6 bits in total
# (33.85 dB; two stages of 14 bits 33.51, of 15 bits 34.11). A further stage must add more bits than
# this difference.
_WORTH_A_STAGE = 3.0
_ROUNDING = 1e-9


def choose(bits: float, shape: tuple[int, int], *, most: int = _CODEWORDS) -> tuple[int, int]:
    """Return numbers of codewords and stages with at most `bits` per pixel.

    The number of stages is the smallest that `most` codewords allow, because at the same rate one
    stage of many codewords is better than several stages of few; its time is proportional to their
    number. A further stage is added if it adds at least 3 bits per patch.

    Parameters
    ----------
    bits : bits per pixel
    shape : height and width of a patch
    most : maximum number of codewords of a stage, up to 65,536

    Returns
    -------
    (k, stages)

    Raises
    ------
    DataError
        If a patch would have less than one bit.

    Examples
    --------
    >>> choose(0.75, (4, 4))
    (4096, 1)
    >>> choose(1.0, (4, 4))
    (256, 2)
    >>> choose(0.8, (4, 4))
    (4096, 1)
    >>> choose(1.0, (4, 4), most=65536)
    (65536, 1)
    """
    each = bits * math.prod(shape)
    if not 1 - _ROUNDING <= each < math.inf:
        raise DataError(
            f"{bits:g} bits per pixel give {each:g} bits for a patch of {shape[0]} x {shape[1]}; a "
            "patch needs at least one bit: raise the rate, or use larger patches."
        )
    fewer = int(each / math.log2(most) + _ROUNDING)
    k = int(2 ** (each / (fewer + 1)) + _ROUNDING)
    if fewer and (fewer + 1) * math.log2(k) < fewer * math.log2(most) + _WORTH_A_STAGE:
        return most, fewer
    return k, fewer + 1
