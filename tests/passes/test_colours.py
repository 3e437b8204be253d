"""The colour table is exact, bounded, and the same for every division of the pixels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamkm.errors import DataError
from streamkm.passes import Colours
from tests.passes.contract import same

KINDS = [(1, np.uint8), (3, np.uint8), (8, np.uint8), (3, np.uint16), (4, np.uint16)]


def pixels_of(channels, dtype, n=300, seed=0):
    """Pixels of a random walk, so that cells at every level hold several colours."""
    rng = np.random.default_rng(seed)
    high = np.iinfo(dtype).max
    walk = np.cumsum(rng.normal(0, high / 60, (n, channels)), axis=0) + high / 2
    return np.clip(walk, 0, high).astype(dtype)[rng.integers(0, n, 2 * n)]


def counted(pixels, level):
    """Cells as a dict, by the definition."""
    cells = {}
    for pixel in pixels:
        cell = tuple(int(v) >> level for v in pixel)
        count, total = cells.get(cell, (0, 0))
        cells[cell] = count + 1, total + pixel.astype(np.int64)
    return cells


@pytest.mark.parametrize(("channels", "dtype"), KINDS)
@pytest.mark.parametrize("most", [2000, 60, 1])
def test_it_is_the_definition(channels, dtype, most):
    pixels = pixels_of(channels, dtype)
    found = Colours.from_pixels(pixels, most)
    most = max(most, 2**channels)
    assert len(found.keys) <= most
    assert found.level == 0 or len(counted(pixels, found.level - 1)) > most
    assert found.complete == (found.level == 0)
    want = counted(pixels, found.level)
    means = np.array([total / count for count, total in want.values()])
    order, own = np.lexsort(means.T), np.lexsort(found.values.T)
    assert np.array_equal(found.values[own], means[order])
    assert found.weights[own].tolist() == [list(want.values())[i][0] for i in order]
    assert np.all(np.diff(found.keys.astype(object)) > 0)
    assert found.n_pixels == len(pixels)


@pytest.mark.parametrize(("channels", "dtype"), KINDS)
@pytest.mark.parametrize("most", [2000, 60])
class TestMonoid:
    def test_the_identity_changes_nothing(self, channels, dtype, most):
        some, none = Colours.from_pixels(pixels_of(channels, dtype), most), Colours.none(3)
        for parts in ([none, some], [some, none], [none, some, none], [some]):
            assert same(Colours.combine(parts), some)

    @settings(max_examples=15)
    @given(st.lists(st.integers(0, 600), max_size=6), st.randoms())
    def test_any_cut_any_order_and_any_grouping_mean_the_same(
        self, channels, dtype, most, cuts, random
    ):
        pixels = pixels_of(channels, dtype)
        parts = [
            Colours.from_pixels(pixels[a:b], most)
            for a, b in itertools.pairwise([0, *sorted(cuts), 600])
        ]
        whole = Colours.from_pixels(pixels, most)
        assert same(Colours.combine(parts), whole)
        random.shuffle(parts)
        at = random.randint(0, len(parts))
        groups = [Colours.combine(g) for g in (parts[:at], parts[at:]) if g]
        assert same(Colours.combine(groups), whole)


def test_a_coarser_table_is_that_of_fewer_cells(pixels):
    table = Colours.from_pixels(pixels)
    coarse = table.coarsened(500)
    assert same(coarse.keys, Colours.from_pixels(pixels, 500).keys)
    assert len(coarse.keys) <= 500 < len(table.keys)
    assert coarse.sums.sum() == 255 * pixels.sum(dtype=np.int64)


@pytest.mark.parametrize(("channels", "dtype"), KINDS)
@pytest.mark.parametrize("most", [2000, 60])
def test_pixels_weigh_by_their_opacity_however_they_are_cut(channels, dtype, most):
    pixels = pixels_of(channels, dtype)
    opacity = np.random.default_rng(1).choice([0, 0, 1, 128, 255], len(pixels)).astype(np.uint8)
    found = Colours.from_pixels(pixels, most, opacity)
    seen = opacity > 0
    assert same(found.keys, Colours.from_pixels(pixels[seen], most).keys)
    cells = {}
    for pixel, weight in zip(pixels[seen], opacity[seen].tolist(), strict=True):
        cell = tuple(int(v) >> found.level for v in pixel)
        total, values = cells.get(cell, (0, 0))
        cells[cell] = total + weight, values + weight * pixel.astype(np.int64)
    means = np.array([values / total for total, values in cells.values()])
    order, own = np.lexsort(means.T), np.lexsort(found.values.T)
    assert np.array_equal(found.values[own], means[order])
    totals = np.array([total for total, _ in cells.values()])[order]
    assert np.array_equal(255 * found.weights[own], totals)
    cuts = [0, 7, 7, 300, 411, len(pixels)]
    parts = [
        Colours.from_pixels(pixels[a:b], most, opacity[a:b]) for a, b in itertools.pairwise(cuts)
    ]
    assert same(Colours.combine(parts), found)
    assert same(Colours.combine([parts[4], Colours.combine(parts[:4][::-1])]), found)
    mixed = Colours.combine([found, Colours.from_pixels(pixels, most)])
    assert same(mixed.coarsened(most), mixed)
    assert mixed.n_pixels == len(pixels) + opacity.sum(dtype=np.int64) / 255


@pytest.mark.parametrize(("channels", "dtype"), KINDS)
def test_opaque_pixels_are_counted_as_without_alpha(channels, dtype):
    pixels = pixels_of(channels, dtype)
    opaque = Colours.from_pixels(pixels, 60, np.full(len(pixels), 255, np.uint8))
    assert same(opaque, Colours.from_pixels(pixels, 60))
    assert opaque.n_pixels == len(pixels)


def test_pixels_that_nobody_sees_have_no_cell():
    none = Colours.from_pixels(np.full((5, 3), 7, np.uint8), opacity=np.zeros(5, np.uint8))
    assert same(none, Colours.none(3))


def test_what_does_not_fit_a_key_is_refused():
    with pytest.raises(DataError, match="5 channels of uint16"):
        Colours.from_pixels(np.zeros((2, 5), np.uint16))
    with pytest.raises(DataError, match="float32"):
        Colours.from_pixels(np.zeros((2, 3), np.float32))
    with pytest.raises(DataError, match="cannot share a table"):
        Colours.combine([Colours.from_pixels(np.zeros((1, c), np.uint8)) for c in (1, 3)])
