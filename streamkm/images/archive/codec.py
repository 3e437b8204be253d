"""Zarr codec without stored bytes: it decodes pixels from the codes of an archive.

An array with this codec stores nothing. A chunk is decoded from the codes in a sibling array and
their palette. Codes and palettes are plain arrays that any Zarr library can read, and any Zarr
reader with streamkm installed can read pixels.
"""

from __future__ import annotations

import asyncio
import math
import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
import zarr
import zarr.api.asynchronous as zarr_async
from zarr.abc.codec import ArrayBytesCodec
from zarr.abc.codec import ArrayBytesCodecPartialDecodeMixin as PartialDecode
from zarr.registry import register_codec

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.images.archive.selecting import chunk_of, extent, moved, reaching
from streamkm.images.codebook.codebook import Codebook
from streamkm.images.codebook.patches import unpatched
from streamkm.outputs.refusing import codecs_of, refuse_strange
from streamkm.rows import EVERY_CHUNK, MARK, RESTORE, damage, refuse_incomplete

NAME = "streamkm.codebook"
Region = tuple[slice, ...]
_SHARED = "../../"  # from a stack to the archive
_NAME = r"[^/.][^/]*"
_INNER = rf"(palettes|codebooks)/{_NAME}"


@dataclass(frozen=True)
class CodebookCodec(ArrayBytesCodec, PartialDecode):
    """Codec that decodes pixels (image, y, x, channel) from codes (image, y, x) of a sibling array.

    Paths are relative to the group of the array.

    Parameters
    ----------
    codes : str
        Path of the codes; for patches of shape (image, row, column, stage).
    palettes : str or None
        Path of the palettes (palette, code, channel).
    palette : str or None
        Path of the indices of the images' palettes; None if each image has its own.
    alpha : str or None
        Path of the opacity (image, y, x), the last channel.
    codebook : str or None
        Path of the codewords (stage, code, feature).
    patch : tuple of (int, int), or None
        Height and width of a patch in pixels.
    """

    codes: str
    palettes: str | None = None
    palette: str | None = None
    alpha: str | None = None
    codebook: str | None = None
    patch: tuple[int, int] | None = None
    is_fixed_size = False
    _opened: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        self._refuse_other_types()
        shared = [path for path in (self.palettes, self.codebook) if path is not None]
        own = [path for path in (self.codes, self.palette, self.alpha) if path is not None]
        for path in (*shared, *own):
            inner = path.removeprefix(_SHARED) if path in shared else path
            if not re.fullmatch(_INNER if inner != path else _NAME, inner):
                raise DataError(
                    f"the codec {NAME!r} refers to {path!r}, which is outside of its archive, so "
                    "it is not read."
                )

    def _refuse_other_types(self) -> None:
        own = (self.palettes, self.palette, self.alpha, self.codebook)
        texts = isinstance(self.codes, str) and all(isinstance(p, str | None) for p in own)
        sides = self.patch is None or (
            len(self.patch) == 2 and all(type(side) is int and side > 0 for side in self.patch)
        )
        if not texts or not sides or (self.codebook is None) != (self.patch is None):
            raise DataError(f"the configuration of the codec {NAME!r} is damaged: {RESTORE}.")

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        try:
            given = dict(data.get("configuration", {}))
            if given.get("patch") is not None:
                given["patch"] = tuple(given["patch"])
            return cls(**given)
        except DataError:
            raise
        except (TypeError, ValueError, AttributeError) as error:
            reason = f"the configuration of the codec {NAME!r} is damaged ({error}): {RESTORE}."
            raise DataError(reason) from error

    def to_dict(self) -> dict[str, Any]:
        given = {f.name: getattr(self, f.name) for f in fields(self) if f.compare}
        if self.patch is not None:
            given["patch"] = list(self.patch)
        return {"name": NAME, "configuration": {n: v for n, v in given.items() if v is not None}}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_opened": {}}

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
        return 0

    async def encode(self, chunks_and_specs: Iterable[Any]) -> Iterable[Any]:
        raise DataError(
            "the pixels of an archive are decoded from its codes and cannot be written; compress "
            "the images into another archive."
        )

    async def decode(self, chunks_and_specs: Iterable[Any]) -> Iterable[Any]:
        return await self.encode(chunks_and_specs)  # called before a part of a chunk is written

    async def _decode_partial_single(
        self, byte_getter: Any, selection: Any, chunk_spec: Any
    ) -> Any:
        """Decode the selected part of a chunk without stored bytes; its key gives its position."""
        group, place = chunk_of(byte_getter.path, len(chunk_spec.shape))
        within = [extent(s, n) for s, n in zip(selection, chunk_spec.shape, strict=True)]
        starts = [p * n for p, n in zip(place, chunk_spec.shape, strict=True)]
        region = tuple(
            slice(start + s.start, start + s.stop) for start, s in zip(starts, within, strict=True)
        )
        with damage(byte_getter.path):
            pixels = await self._pixels(byte_getter.store, group, region, chunk_spec.dtype)
        selected = tuple(moved(s, w.start) for s, w in zip(selection, within, strict=True))
        return chunk_spec.prototype.nd_buffer.from_numpy_array(pixels[selected])

    async def _pixels(self, store: Any, group: str, region: Region, dtype: Any) -> AnyArray:
        images, *window, channels = region
        made = await self._colours(store, group, images, window, dtype)
        if self.alpha is not None:
            alpha = await self._read(store, group, self.alpha, (images, *window))
            made = np.concatenate([made, alpha[..., None]], axis=-1)
        if made.shape[-1] < channels.stop:
            raise DataError(
                f"the codes and the colours in {group} have fewer channels than its pixels: "
                f"{RESTORE}."
            )
        return made[..., channels]

    async def _colours(
        self, store: Any, group: str, images: slice, window: list[slice], dtype: Any
    ) -> AnyArray:
        if self.codebook is not None:
            return await self._from_patches(store, group, images, window, dtype)
        assert self.palettes is not None
        codes = await self._read(store, group, self.codes, (images, *window))
        which: Any = np.arange(images.start, images.stop)
        if self.palette is not None:
            which = await self._read(store, group, self.palette, (images,))
        span = slice(int(which.min()), int(which.max()) + 1)
        palettes = await self._read(store, group, self.palettes, (span,))
        return await asyncio.to_thread(_looked_up, palettes, which - span.start, codes)

    async def _from_patches(
        self, store: Any, group: str, images: slice, window: list[slice], dtype: Any
    ) -> AnyArray:
        assert self.codebook is not None
        assert self.patch is not None
        sides = list(zip(window, self.patch, strict=True))
        # Whole patches that cover the window, which is then cut out.
        cover = [slice(s.start // p, -(-s.stop // p)) for s, p in sides]
        codes = await self._read(store, group, self.codes, (images, *cover, slice(None)))
        words = await self._read(store, group, self.codebook, (slice(None),))
        book = Codebook(words, np.dtype(dtype.to_native_dtype()))
        decoded = await asyncio.to_thread(book.decode, codes)
        whole = [c.stop * p - c.start * p for c, p in zip(cover, self.patch, strict=True)]
        channels = words.shape[-1] // math.prod(self.patch)
        pixels = np.stack([unpatched(one, (*whole, channels), self.patch) for one in decoded])
        cut = [
            slice(s.start - c.start * p, s.stop - c.start * p)
            for (s, p), c in zip(sides, cover, strict=True)
        ]
        return pixels[:, cut[0], cut[1]]

    async def _read(self, store: Any, group: str, path: str, region: Region) -> AnyArray:
        key = (id(store), where := posixpath.normpath(posixpath.join(group, path)))
        if key not in self._opened:  # a reference to the store, so that its id is not reused
            there, path = reaching(store, where)
            with damage(where):
                array = await zarr_async.open_array(store=there, path=path)
            refuse_strange(array, where)
            if NAME in codecs_of(array):  # it could refer to itself
                raise DataError(f"{where} is decoded from other arrays, so it is not read.")
            if await _stores_every_chunk(store, group):
                await asyncio.to_thread(refuse_incomplete, zarr.Array(array))
            self._opened[key] = store, array
        array = self._opened[key][1]
        with damage(str(array.store_path)):
            return np.asarray(await array.getitem(region))


async def _stores_every_chunk(store: Any, group: str) -> bool:
    """Return whether every chunk of the archive was stored, which older versions do not record.

    The stacks of an archive are in its group `images`.
    """
    try:
        there, path = reaching(store, posixpath.normpath(posixpath.join(group, "../..", MARK)))
        marked = await zarr_async.open_group(store=there, path=path, mode="r")
    except Exception:  # there is none; stores have their own errors for that
        return False
    return EVERY_CHUNK.items() <= marked.attrs.items()


def _looked_up(palettes: AnyArray, which: AnyArray, codes: AnyArray) -> AnyArray:
    out = np.empty((*codes.shape, palettes.shape[-1]), palettes.dtype)
    if codes.max(initial=0) >= palettes.shape[1]:
        raise DataError(f"a code is none of the {palettes.shape[1]} colours: {RESTORE}.")
    for image, number in enumerate(which):
        np.take(palettes[number], codes[image], axis=0, out=out[image], mode="clip")
    return out


register_codec(NAME, CodebookCodec)
