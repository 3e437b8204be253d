"""Search for the palette of a table of colours."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.errors import DataError
from streamkm.images.colour.palette import Palette
from streamkm.images.colour.spaces import from_space, space_of, to_space
from streamkm.in_memory import search
from streamkm.in_memory.points import Points, in_memory
from streamkm.kernels import separate
from streamkm.passes import Colours

# Parameters of a search, by measurement [docs/benchmarks.md]:
_CELLS = 2**13  # minimum number of cells
_CELLS_EACH = 128  # cells for each colour
_ENOUGH = 16  # minimum number of cells for each colour
_EACH_PIXEL = 1500  # multiplications for each, so that the search costs about as much as the read
# Starts after the first use fewer cells and breathe, best first, until all together have done this
# number of multiplications, so that ten starts cost a tenth of a read of a large archive:
_DRAWN_EACH = 4  # minimum number of cells for each colour to draw from
_MORE, _MORE_EACH_PIXEL = 1e9, 5
_SETTLED = 2**15  # minimum number of cells of the final Lloyd iterations
_PIXELS_EACH = 6  # pixels for each of these cells
_MOST = 4e11  # multiplications, about ten seconds on two cores
_STEPS = 20  # minimum number of Lloyd iterations of a search
_DROP = 1e-3  # relative decrease of the loss at which the final iterations end


def fit_palette(
    colours: Colours, k: int, *, space: str = "srgb", n_init: int = 1, seed: int = 0
) -> Palette:
    """Return the palette of up to k colours for a table of colours.

    At most k distinct colours are the palette themselves. Otherwise the search uses the cells of a
    coarser table, and the final Lloyd iterations use more cells. Colours are sorted by lightness.

    Parameters
    ----------
    colours : Colours of at least one pixel
    k : int
    space : str, space of errors; pixels without three channels are compared as stored
    n_init : int, number of starts: the first is deterministic, the others use k-means++, and the
        best of them continue
    seed : int, seed of the draws
    """
    if not len(colours.keys):
        raise DataError("the images have no pixels; give at least one image with pixels.")
    space = space_of(colours.channels, space)
    if len(colours.keys) <= k:
        return _rounded(to_space(colours.values, space, colours.dtype), space, colours, k)
    settled = _coarse(colours, max(_SETTLED, int(colours.n_pixels) // _PIXELS_EACH), k)
    few = _coarse(settled, max(_CELLS, _CELLS_EACH * k), k)
    start = _searched(few, space, k, n_init, seed)
    with _points(settled, space) as full:
        return _rounded(search.settle(full, start, _DROP, _MOST), space, colours, k)


def _coarse(colours: Colours, cells: int, k: int, enough: int = _ENOUGH) -> Colours:
    """Return a coarser table with enough cells for k clusters."""
    few = colours.coarsened(cells)
    return few if len(few.keys) >= enough * k else colours


def _points(colours: Colours, space: str) -> AbstractContextManager[Points]:
    values = to_space(colours.values, space, colours.dtype)
    return in_memory(values.astype(np.float32), colours.weights)


def _searched(colours: Colours, space: str, k: int, n_init: int, seed: int) -> Float64Array:
    """Return the best centroids (k, d) of `n_init` searches; for very large k only the start."""
    breaths = min(_MOST, _EACH_PIXEL * colours.n_pixels)
    more = min(_MOST, max(_MORE, _MORE_EACH_PIXEL * colours.n_pixels))
    with _points(colours, space) as points:
        if _STEPS * points.values.size * k > _MOST:
            return search.split_start(points, k)
        found = [search.breathe(points, search.split_start(points, k), seed, breaths)]
        until = points.multiplications + more
        for start in _drawn(colours, space, k, range(seed + 1, seed + n_init)):
            found.append(search.breathe(points, start, seed, min(breaths, more)))
            if points.multiplications > until:
                break
    return min(found, key=lambda one: one[1])[0]


def _drawn(colours: Colours, space: str, k: int, seeds: Sequence[int]) -> list[Float64Array]:
    """Return a start (k, d) for each seed, the best first, from a coarse table."""
    if not seeds:
        return []
    few = _coarse(colours, max(_CELLS, _ENOUGH * k), k, _DRAWN_EACH)
    with _points(few, space) as points:
        starts = [search.start(points, k, seed) for seed in seeds]
        return sorted(starts, key=lambda start: points.assign(points.scaled(start)).loss)


def _rounded(centroids: Float64Array, space: str, colours: Colours, k: int) -> Palette:
    """Round centroids to a palette; colours of the largest error replace duplicates."""
    found = np.unique(from_space(centroids, space, colours.dtype), axis=0)
    palette = Palette(found, space)
    if len(found) < min(k, len(colours.keys)) and colours.complete:
        pixels = separate(colours.keys, colours.channels, colours.dtype)
        own = to_space(palette.decode(palette.codes(pixels)), space, colours.dtype)
        apart = np.square(to_space(pixels, space, colours.dtype) - own).sum(axis=1)
        worst = np.argsort(-apart * colours.weights, kind="stable")[: k - len(found)]
        found = np.unique(np.concatenate([found, pixels[worst]]), axis=0)
    return Palette(found, space).sorted
