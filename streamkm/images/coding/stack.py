"""Stacks of images of one size and kind, and their chunks, shards and batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from streamkm.decoding.header import Header
from streamkm.images.codebook.patches import grid

_CHUNK = 512  # codes along each side of a chunk
_TOGETHER = 4 * 2**20  # pixels of small images in one shard
_MOST_IMAGES = 128  # images in one shard: their metadata, up to 60 KB each, are written together


@dataclass(frozen=True)
class Batch:
    """Images of a stack in one shard, which are read and written together.

    Parameters
    ----------
    stack : str, name of the stack
    kind : str, kind of the palette
    start : int, number of the first image
    headers : headers of the images
    palettes : indices of the images' palettes
    """

    stack: str
    kind: str
    start: int
    headers: tuple[Header, ...]
    palettes: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.headers)

    @property
    def nbytes(self) -> int:
        """Decoded bytes of an image."""
        return max(header.nbytes for header in self.headers)

    @property
    def region(self) -> slice:
        return slice(self.start, self.start + len(self.headers))


@dataclass(frozen=True)
class Stack:
    """Images of one height, width, channels, dtype and transparency.

    Parameters
    ----------
    headers : headers of the images, with equal size and kind
    palettes : indices of the images' palettes among those of their kind
    patch : height and width of a patch
    """

    headers: tuple[Header, ...]
    palettes: tuple[int, ...]
    patch: tuple[int, int] = (1, 1)

    @property
    def name(self) -> str:
        """Name with the width first: 2560x1600-rgb, 1024x1024-rgba16, 349x352-6bands."""
        first = self.headers[0]
        kind = kind_of(first)
        if first.alpha:
            kind = kind.replace("grey", "greya").replace("rgb", "rgba").replace("bands", "bandsa")
        return f"{first.width}x{first.height}-{kind}"

    @property
    def kind(self) -> str:
        return kind_of(self.headers[0])

    @property
    def by_patches(self) -> bool:
        """Whether a codebook encodes it: patches, or bands, which have too many colours."""
        return self.patch != (1, 1) or self.headers[0].channels not in (1, 3)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the codes of a stage."""
        first = self.headers[0]
        return len(self.headers), *grid((first.height, first.width), self.patch)

    @property
    def chunks(self) -> tuple[int, int, int]:
        """Chunks of the codes, the unit of reading: a window of one image."""
        _, rows, columns = self.shape
        return 1, min(rows, _CHUNK), min(columns, _CHUNK)

    @property
    def shards(self) -> tuple[int, int, int]:
        """Shards of the codes, written by one task: one image, or several small ones."""
        (n, rows, columns), (_, high, wide) = self.shape, self.chunks
        first = self.headers[0]
        samples = first.height * first.width * max(3, first.channels)
        together = max(1, min(n, _MOST_IMAGES, 3 * _TOGETHER // samples))
        return together, -(-rows // high) * high, -(-columns // wide) * wide

    def batches(self) -> Iterator[Batch]:
        """Batches of the stack, one for each task."""
        step = self.shards[0]
        for start in range(0, len(self.headers), step):
            headers = self.headers[start : start + step]
            yield Batch(self.name, self.kind, start, headers, self.palettes[start : start + step])


def batches_of(stacks: Sequence[Stack]) -> list[Batch]:
    """Return the batches of all stacks."""
    return [batch for stack in stacks for batch in stack.batches()]


def kind_of(header: Header) -> str:
    """Return the kind of an image: grey, rgb, or a number of bands, with 8 or 16 bits."""
    kind = {1: "grey", 3: "rgb"}.get(header.channels, f"{header.channels}bands")
    return kind if np.dtype(header.dtype).itemsize == 1 else f"{kind}16"


def owners_of(stacks: Sequence[Stack]) -> dict[tuple[str, int], str]:
    """Return the folder of the images of each palette, by kind and number; empty at the top."""
    found: dict[tuple[str, int], set[str]] = {}
    for stack in stacks:
        for header, number in zip(stack.headers, stack.palettes, strict=True):
            found.setdefault((stack.kind, number), set()).add(header.name.rpartition("/")[0])
    return {key: next(iter(folders)) if len(folders) == 1 else "" for key, folders in found.items()}


def stacks_of(headers: tuple[Header, ...], per: str, patch: tuple[int, int]) -> tuple[Stack, ...]:
    """Sort images into stacks, in the order of their names, with the palette of each image.

    Parameters
    ----------
    headers : headers of all images, in order
    per : 'archive' for one palette, 'group' for one palette in each folder, 'image' for one palette
        for each image, numbered within its stack
    patch : height and width of a patch
    """
    members: dict[str, list[Header]] = {}
    palettes: dict[str, list[int]] = {}
    numbers: dict[str, dict[str, int]] = {}
    for header in headers:
        alone = Stack((header,), (0,), patch)
        stack = alone.name
        if alone.by_patches:
            number = 0  # one codebook for all
        elif per == "image":
            number = len(palettes.get(stack, ()))
        else:
            owner = header.name.rpartition("/")[0] if per == "group" else ""
            owners = numbers.setdefault(kind_of(header), {})
            number = owners.setdefault(owner, len(owners))
        members.setdefault(stack, []).append(header)
        palettes.setdefault(stack, []).append(number)
    return tuple(Stack(tuple(members[s]), tuple(palettes[s]), patch) for s in sorted(members))
