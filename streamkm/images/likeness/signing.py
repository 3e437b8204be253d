"""Signatures of all images of an archive, from one read of its codes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamkm.images.archive.archive import Archive
from streamkm.images.likeness.signature import LENGTH, Int64Array, Uint8Array, signature
from streamkm.passes import Statistic

_DIGEST = 16  # bytes of a digest of the pixels


@dataclass(frozen=True, eq=False)
class Signed(Statistic):
    """Signatures of some images, 241 bytes for each.

    Parameters
    ----------
    numbers : ndarray of shape (n,), numbers of the images in the order of the archive
    signatures : ndarray of shape (n, 217), uint8
    digests : ndarray of shape (n, 16), uint8, which are equal for equal pixels
    """

    numbers: Int64Array
    signatures: Uint8Array
    digests: Uint8Array

    @classmethod
    def combine(cls, parts: Sequence[Signed]) -> Signed:
        numbers = np.concatenate([part.numbers for part in parts])
        order = np.argsort(numbers)
        signatures = np.concatenate([part.signatures for part in parts])[order]
        digests = np.concatenate([part.digests for part in parts])[order]
        return cls(numbers[order], signatures, digests)


@dataclass(frozen=True)
class Shard:
    """Images of a stack that one task reads.

    Parameters
    ----------
    names : names of the images
    numbers : their numbers in the order of the archive
    nbytes : decoded bytes of an image
    """

    names: tuple[str, ...]
    numbers: tuple[int, ...]
    nbytes: int

    def __len__(self) -> int:
        return len(self.names)


def shards_of(archive: Archive) -> list[Shard]:
    """Return the images of an archive, grouped by the shards of their codes."""
    together: dict[tuple[str, int], list[tuple[int, str]]] = {}
    for number, (name, place) in enumerate(archive.places.items()):
        shard = place.number // archive.stacks[place.stack]["metadata"].chunks[0]
        together.setdefault((place.stack, shard), []).append((number, name))
    found = []
    for (stack, _), some in together.items():
        numbers, names = zip(*some, strict=True)
        pixels = archive.stacks[stack]["pixels"]
        found.append(Shard(names, numbers, math.prod(pixels.shape[1:]) * pixels.dtype.itemsize))
    return found


@dataclass(frozen=True)
class Sign:
    """Compute the signatures of the images of a shard.

    Parameters
    ----------
    archive : Archive
    """

    archive: Archive

    def __call__(self, shard: Shard) -> Signed:
        signatures = np.empty((len(shard), LENGTH), np.uint8)
        digests = np.empty((len(shard), _DIGEST), np.uint8)
        for place, name in enumerate(shard.names):
            pixels = self.archive.pixels(name)
            facts = f"{pixels.shape} {pixels.dtype}".encode()
            digest = hashlib.sha256(facts + pixels.tobytes()).digest()[:_DIGEST]
            digests[place] = np.frombuffer(digest, np.uint8)
            alpha = self.archive.has_alpha(name)
            colours, opacity = (pixels[..., :-1], pixels[..., -1]) if alpha else (pixels, None)
            signatures[place] = signature(colours, opacity)
        return Signed(np.array(shard.numbers, np.int64), signatures, digests)
