"""Patches of all images in a temporary store, from which a codebook is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from streamkm.decoding.decode import decode_each
from streamkm.images.codebook.patches import visible_patches
from streamkm.images.coding.encode import Written
from streamkm.images.coding.stack import Batch, Stack
from streamkm.images.colour.opacity import opacity_of

_CHUNK_NBYTES = 4 * 2**20
_OPACITY = "opacity"  # folder of the weights of patches


def create_patches(folder: Path, stacks: Sequence[Stack]) -> None:
    """Create an empty array (image, row, column, feature) for each stack, with chunks in batches.

    If a stack has an alpha channel, there is also an array (image, row, column) of weights.
    """
    weighted = any(stack.headers[0].alpha for stack in stacks)
    for stack in stacks:
        (n, rows, columns), (together, *_) = stack.shape, stack.shards
        first = stack.headers[0]
        features = stack.patch[0] * stack.patch[1] * first.channels
        row_nbytes = columns * features * np.dtype(first.dtype).itemsize
        whole = max(1, min(together, _CHUNK_NBYTES // (rows * row_nbytes)))  # images
        while together % whole:  # chunks with parts of two batches would have two writers
            whole -= 1
        some = rows if whole > 1 else max(1, min(rows, _CHUNK_NBYTES // row_nbytes))
        zarr.create_array(
            folder / stack.name,
            shape=(n, rows, columns, features),
            chunks=(whole, some, columns, features),
            dtype=first.dtype,
            overwrite=True,
        )
        if weighted:
            zarr.create_array(
                folder / _OPACITY / stack.name,
                shape=(n, rows, columns),
                chunks=(whole, some, columns),
                dtype=np.int64,
                overwrite=True,
            )


@dataclass(frozen=True)
class WritePatches:
    """Cut a batch of images into patches and write them to the store.

    Damaged images leave zeros, which cause at most one codeword. A patch is weighted by the opacity
    of its pixels.

    Parameters
    ----------
    folder : Path of the arrays
    patch : height and width of a patch
    most_nbytes : maximum decoded bytes of an image
    """

    folder: Path
    patch: tuple[int, int]
    most_nbytes: int

    def __call__(self, batch: Batch) -> Written:
        array: Any = zarr.open_array(self.folder / batch.stack, mode="r+")
        out = np.zeros((len(batch.headers), *array.shape[1:]), array.dtype)
        weights = np.zeros(out.shape[:-1], np.int64)
        bad: list[tuple[str, str]] = []
        for place, pixels in decode_each(batch.headers, self.most_nbytes, bad):
            opacity = opacity_of(pixels.alpha)
            out[place], weights[place] = visible_patches(pixels.colour, opacity, self.patch)
        array[batch.region] = out
        if (self.folder / _OPACITY).exists():
            opacities: Any = zarr.open_array(self.folder / _OPACITY / batch.stack, mode="r+")
            opacities[batch.region] = weights
        return Written(tuple(bad))


def rows_of(folder: Path, stacks: Sequence[Stack]) -> tuple[Any, Any]:
    """Return all patches of some stacks as a lazy array (n, feature) in the stored chunks.

    Also return their weights (n,), or None if all pixels are opaque or all are fully transparent.
    """
    import dask.array as da  # takes half a second; not needed for palettes

    def opened(where: Path) -> list[Any]:
        return [da.from_zarr(zarr.open_array(where / stack.name, mode="r")) for stack in stacks]

    rows = da.concatenate([array.reshape(-1, array.shape[-1]) for array in opened(folder)])
    if not (folder / _OPACITY).exists():
        return rows, None
    weights = da.concatenate([array.reshape(-1) for array in opened(folder / _OPACITY)])
    return rows, weights if bool(weights.any().compute()) else None
