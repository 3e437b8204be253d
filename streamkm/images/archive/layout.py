"""Layout of an archive: a Zarr v3 group of plain arrays, and pixels by the codebook codec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from streamkm.images.archive.codec import CodebookCodec
from streamkm.images.codebook.codebook import Codebook
from streamkm.images.coding.coder import Coder, PaletteCoder, PatchCoder
from streamkm.images.coding.encode import filled
from streamkm.images.coding.stack import Stack
from streamkm.images.colour.palette import Palette
from streamkm.images.colour.spaces import space_of
from streamkm.outputs.reading import StoredGroup
from streamkm.outputs.sealing import checked
from streamkm.rows import storing_all

FORMAT = 1
_LEVEL = 5  # level of zstd: higher levels take as long as decoding a photograph and save 1 %
_IMAGE = ("image",)
_EVERY: Any = {"write_empty_chunks": True}  # a missing chunk is therefore a lost one
_DIMS: tuple[str, ...] = (*_IMAGE, "y", "x")


def create_stack(archive: Path, stack: Stack, n_colors: int) -> None:
    """Create the empty arrays of a stack, and write the names of its images.

    Parameters
    ----------
    archive : Path of the archive, with the shared palettes and codebooks
    stack : Stack
    n_colors : maximum number of colours of a palette, if each image has its own
    """
    root: Any = zarr.open_group(archive, mode="r+")
    group = root.create_group(
        f"images/{stack.name}", attributes={"kind": stack.kind}, overwrite=True
    )
    codec = _create_codes(root, group, stack, n_colors)
    first, (n, *_), (together, high, wide) = stack.headers[0], stack.shape, stack.shards
    if first.alpha:
        _create_grid(group, "alpha", replace(stack, patch=(1, 1)), first.dtype)
        codec = replace(codec, alpha="alpha")
    channels = first.channels + first.alpha
    group.create_array(
        "pixels",
        shape=(n, first.height, first.width, channels),
        chunks=(together, high * stack.patch[0], wide * stack.patch[1], channels),
        dtype=first.dtype,
        serializer=codec,
        compressors=None,
        dimension_names=(*_DIMS, "channel"),
        attributes={"coordinates": "name"},
    )
    for name, some in (("name", n), ("metadata", together)):
        group.create_array(
            name,
            shape=(n,),
            chunks=(some,),
            dtype=str,
            compressors=checked(),
            dimension_names=_IMAGE,
        )
    storing_all(group["name"])[...] = np.array([header.name for header in stack.headers], object)
    group.create_array(
        "quality", shape=(n, 3), chunks=(together, 3), dtype=np.float64, fill_value=np.nan
    )


def _create_codes(root: Any, group: Any, stack: Stack, n_colors: int) -> CodebookCodec:
    """Create the array of codes, and the codec that decodes them."""
    first, (n, *_), kind = stack.headers[0], stack.shape, stack.kind
    if stack.by_patches:
        stages, k, _ = root[f"codebooks/{kind}"].shape
        _create_grid(group, "codes", stack, np.min_scalar_type(k - 1), stages)
        return CodebookCodec("codes", codebook=f"../../codebooks/{kind}", patch=stack.patch)
    if f"palettes/{kind}" in root:
        palettes = root[f"palettes/{kind}"]
        numbers = np.array(stack.palettes, np.int32)
        group.create_array(
            "palette",
            data=numbers,
            chunks=(n,),
            compressors=checked(),
            dimension_names=_IMAGE,
            config=_EVERY,
        )
        _create_grid(group, "codes", stack, np.min_scalar_type(palettes.shape[1] - 1))
        return CodebookCodec("codes", f"../../palettes/{kind}", "palette")
    n_colors = min(n_colors, first.height * first.width)
    group.create_array(
        "palettes",
        shape=(n, n_colors, first.channels),
        chunks=(stack.shards[0], n_colors, first.channels),
        dtype=first.dtype,
        compressors=checked(),
        dimension_names=("image", "code", "component"),
    )
    _create_grid(group, "codes", stack, np.min_scalar_type(n_colors - 1))
    return CodebookCodec("codes", "palettes")


def _create_grid(group: Any, name: str, stack: Stack, dtype: Any, stages: int = 0) -> None:
    """Create an array with the chunks and shards of a stack's codes."""
    more: tuple[int, ...] = ()
    dims = _DIMS
    if stages:
        more, dims = (stages,), ("image", "row", "column", "stage")
    group.create_array(
        name,
        shape=(*stack.shape, *more),
        chunks=(*stack.chunks, *more),
        shards=(*stack.shards, *more),
        dtype=dtype,
        compressors=checked(_LEVEL),
        dimension_names=dims,
    )


def write_profiles(archive: Path, profiles: Sequence[tuple[str, bytes]]) -> None:
    """Write each colour profile once, under the name in the metadata of its images."""
    root = zarr.open_group(archive, mode="r+")
    for name, profile in profiles:
        content = np.frombuffer(profile, np.uint8)
        root.create_array(
            f"profiles/{name}",
            data=content,
            compressors=checked(),
            overwrite=True,
            config=_EVERY,
        )


def write_palettes(
    archive: Path,
    palettes: Mapping[str, Sequence[Palette]],
    owners: Mapping[tuple[str, int], str],
) -> None:
    """Write the palettes (palette, code, component) of each kind, and their folders."""
    root = zarr.open_group(archive, mode="r+")
    for kind, several in palettes.items():
        k = max(len(palette.colours) for palette in several)
        root.create_array(
            f"palettes/{kind}",
            data=np.stack([filled(palette, k) for palette in several]),
            compressors=checked(),
            dimension_names=("palette", "code", "component"),
            attributes={"of": [owners.get((kind, at), "") for at in range(len(several))]},
            overwrite=True,
            config=_EVERY,
        )


def write_codebook(archive: Path, kind: str, codebook: Codebook, patch: tuple[int, int]) -> None:
    """Write codewords (stage, code, feature) of a kind; a feature is a y, x and channel."""
    zarr.open_group(archive, mode="r+").create_array(
        f"codebooks/{kind}",
        data=codebook.codewords,
        compressors=checked(),
        dimension_names=("stage", "code", "feature"),
        attributes={"patch": list(patch), "dtype": codebook.dtype.name},
        overwrite=True,
        config=_EVERY,
    )


def unfinished(archive: Path, stack: str) -> npt.NDArray[np.bool_]:
    """Return the images of a stack that are not encoded yet, or not completely."""
    group: Any = zarr.open_group(archive / "images" / stack, mode="r")
    if "quality" not in group:
        return np.zeros(group["codes"].shape[0], bool)
    missing: npt.NDArray[np.bool_] = np.isnan(np.asarray(group["quality"][:, 0]))
    return missing


def finish_stack(archive: Path, stack: str) -> None:
    """Combine what batches have written in arrays; a run may be killed at any point here."""
    group: Any = zarr.open_group(archive / "images" / stack, mode="r+")
    if "quality" not in group:
        return
    quality = np.asarray(group["quality"][...])
    for place, name in enumerate(("psnr", "ssim", "opacity")):
        if name == "opacity" and "alpha" not in group:
            continue  # it is an array
        values = np.ascontiguousarray(quality[:, place])
        group.create_array(
            name,
            data=values,
            compressors=checked(),
            dimension_names=_IMAGE,
            overwrite=True,
            config=_EVERY,
        )
    del group["quality"]


def coders_in(archive: Path, space: str) -> dict[str, tuple[Coder, ...]]:
    """Read the palettes and codebooks of each kind."""
    group: Any = zarr.open_group(archive, mode="r")
    coders: dict[str, tuple[Coder, ...]] = {}
    for kind in group["palettes"].array_keys() if "palettes" in group else ():
        array = StoredGroup(group["palettes"], {}).stored(kind, 3)
        spaced = space_of(array.shape[-1], space)
        coders[kind] = tuple(PaletteCoder(Palette(colours, spaced)) for colours in array[...])
    for kind in group["codebooks"].array_keys() if "codebooks" in group else ():
        array = StoredGroup(group["codebooks"], {}).stored(kind, 3)
        book = Codebook(np.asarray(array[...]), np.dtype(array.attrs["dtype"]))
        coders[kind] = (PatchCoder(book, tuple(array.attrs["patch"])),)
    return coders
