"""Random numbers that are functions of the row number, independent of the order of the rows.

Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) with the key
(seed, round) and the counter row // 4; a row uses the word row % 4. The numbers are those of the
stream of ``numpy.random.Philox(key=[seed, round])``, accessible in any order.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from streamkm.arrays import Float64Array
from streamkm.kernels._jit import kernel

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_M0 = np.uint64(0xD2E7470EE14C6C93)
_M1 = np.uint64(0xCA5A826395121157)
_W0 = np.uint64(0x9E3779B97F4A7C15)
_W1 = np.uint64(0xBB67AE8584CAA73B)


@kernel
def _high(a, b):  # type: ignore[no-untyped-def]
    """Return the upper 64 bits of the 128-bit product."""
    a0, a1 = a & _LOW, a >> _HALF
    b0, b1 = b & _LOW, b >> _HALF
    middle = a1 * b0 + ((a0 * b0) >> _HALF)
    other = a0 * b1 + (middle & _LOW)
    return a1 * b1 + (middle >> _HALF) + (other >> _HALF)


@kernel
def philox(seed, stream, counter):  # type: ignore[no-untyped-def]
    """Return the four 64-bit words of a counter."""
    c0 = counter
    c1 = c2 = c3 = np.uint64(0)
    k0, k1 = seed, stream
    for _ in range(10):
        h0, l0 = _high(_M0, c0), _M0 * c0
        h1, l1 = _high(_M1, c2), _M1 * c2
        c0, c1, c2, c3 = h1 ^ c1 ^ k0, l1, h0 ^ c3 ^ k1, l0
        k0 += _W0
        k1 += _W1
    return c0, c1, c2, c3


@kernel
def _exponentials(rows, seed, stream, out):  # type: ignore[no-untyped-def]
    counter = np.uint64(0)
    words = philox(seed, stream, counter)
    for i in range(rows.shape[0]):
        row = np.uint64(rows[i])
        wanted = (row >> np.uint64(2)) + np.uint64(1)  # NumPy numbers its first block 1
        if wanted != counter:
            counter = wanted
            words = philox(seed, stream, counter)
        word = words[row & np.uint64(3)]
        # (word + 1/2) / 2**53 is strictly between 0 and 1, so no key is zero or infinite.
        out[i] = -math.log((np.float64(word >> np.uint64(11)) + 0.5) * 2.0**-53)


def exponentials(rows: npt.NDArray[np.int64], seed: int, stream: int) -> Float64Array:
    """Return a standard exponential number for each row number, keyed by (seed, stream).

    The rows with the m smallest values of number / weight are a weighted sample without
    replacement (Efraimidis and Spirakis, IPL 97(5), 2006).
    """
    out = np.empty(len(rows), np.float64)
    _exponentials(rows, np.uint64(seed), np.uint64(stream), out)
    return out
