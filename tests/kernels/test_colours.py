"""Keys of colours, runs of sorted keys, and tables merged by key."""

from __future__ import annotations

import numpy as np
import pytest

from streamkm.kernels import interleave, look_up, merge, n_runs, runs, separate

RNG = np.random.default_rng(0)


def key_of(pixel, bits):
    """Bit b of every channel, the first channel highest, from the highest b down."""
    text = "".join(str(int(value) >> b & 1) for b in reversed(range(bits)) for value in pixel)
    return int(text, 2)


@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_key_has_the_bits_of_all_channels_interleaved(channels, dtype):
    bits = 8 * np.dtype(dtype).itemsize
    pixels = RNG.integers(0, 2**bits, (40, channels)).astype(dtype)
    keys = interleave(pixels)
    assert keys.dtype == (np.uint32 if bits * channels <= 32 else np.uint64)
    assert keys.tolist() == [key_of(pixel, bits) for pixel in pixels]
    assert np.array_equal(separate(keys, channels, dtype), pixels)


@pytest.mark.parametrize("shift", [0, 3])
def test_runs_are_the_distinct_keys_and_their_ends(shift):
    ordered = np.sort(RNG.integers(0, 60, 90).astype(np.uint32))
    distinct, counts = np.unique(ordered >> shift, return_counts=True)
    keys, ends = runs(ordered, shift)
    assert np.array_equal(keys, distinct)
    assert np.array_equal(ends, counts.cumsum())
    assert n_runs(ordered, shift) == len(distinct)
    assert n_runs(ordered) == len(np.unique(ordered))
    assert np.array_equal(runs(ordered)[0], np.unique(ordered))
    assert (n_runs(ordered[:0]), n_runs(ordered[:1])) == (0, 1)
    assert [len(part) for part in runs(ordered[:0])] == [0, 0]


@pytest.mark.parametrize(("n", "m"), [(0, 0), (5, 0), (0, 5), (30, 7)])
def test_merged_tables_have_every_key_once_with_its_sums(n, m):
    def table(size):
        keys = np.sort(RNG.choice(40, size, replace=False)).astype(np.uint32)
        return keys, RNG.integers(1, 9, size), RNG.integers(0, 99, (size, 3))

    a, b = table(n), table(m)
    keys, counts, sums = merge(a, b)
    assert np.array_equal(keys, np.union1d(a[0], b[0]))
    for key, count, total in zip(keys, counts, sums, strict=True):
        mine = [part[0] == key for part in (a, b)]
        assert count == a[1][mine[0]].sum() + b[1][mine[1]].sum()
        assert np.array_equal(total, a[2][mine[0]].sum(axis=0) + b[2][mine[1]].sum(axis=0))


def test_codes_are_looked_up_and_unknown_keys_are_counted():
    table, codes = np.array([0, 3, 0, 1], np.uint32), np.full(5, 9, np.int64)
    assert look_up(np.array([1, 3, 3, 0, 2], np.uint32), table, codes) == 2
    assert codes[:3].tolist() == [2, 0, 0]
