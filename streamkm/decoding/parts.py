"""Frames of animations that replace a part of the picture, and the picture after each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.decoding.header import Pixels

After = Literal["keep", "clear", "restore"]


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a picture that a frame changes.

    Parameters
    ----------
    x, y, width, height : place in the picture; parts outside of it are cut off
    after : what happens to the part before the next frame: it stays, it becomes transparent, or
        what was there before is restored
    over : whether transparent pixels show what is below, or replace it
    opaque : whether no pixel is transparent
    """

    x: int
    y: int
    width: int
    height: int
    after: After = "keep"
    over: bool = True
    opaque: bool = True

    def covers(self, height: int, width: int) -> bool:
        """Return whether it has all pixels of a picture."""
        covered = self.x + self.width >= width and self.y + self.height >= height
        return self.x == self.y == 0 and covered


class Parts(Protocol):
    """A file of frames that are parts of a picture."""

    @property
    def parts(self) -> Sequence[Part]:
        """The frames, in their order."""

    def alone(self, number: int) -> bytes:
        """Return a frame as a file of one image, of the size of its part."""


def all_opaque(parts: Sequence[Part], height: int, width: int) -> bool:
    """Return whether no picture of the animation has a transparent pixel."""
    before = False
    for part in parts:
        kept = before and (part.opaque or part.over)
        if not kept and not (part.opaque and part.covers(height, width)):
            return False
        before = {"keep": True, "clear": False, "restore": before}[part.after]
    return True


class Canvas:
    """The picture of an animation.

    Parameters
    ----------
    height, width, channels : of the picture
    dtype : 'uint8' or 'uint16'
    """

    def __init__(self, height: int, width: int, channels: int, dtype: str) -> None:
        self.colour: AnyArray = np.zeros((height, width, channels), dtype)
        self.alpha: AnyArray = np.zeros((height, width), dtype)
        self._last: tuple[Part, AnyArray, AnyArray] | None = None

    def dispose(self) -> None:
        """Do what the last frame requests before the next is drawn."""
        if self._last is not None:
            part, colour, alpha = self._last
            here = _region(part)
            self.colour[here], self.alpha[here] = colour, alpha
            self._last = None

    def draw(self, part: Part, pixels: Pixels) -> None:
        """Draw the next frame."""
        here = _region(part)
        below, below_alpha = self.colour[here], self.alpha[here]  # views
        if part.after == "restore":
            self._last = part, below.copy(), below_alpha.copy()
        elif part.after == "clear":
            self._last = part, np.zeros_like(below), np.zeros_like(below_alpha)
        rows, columns = below_alpha.shape
        colour = pixels.colour[:rows, :columns]
        if pixels.alpha is None:
            below[...], below_alpha[...] = colour, np.iinfo(below.dtype).max
        elif not part.over:
            below[...], below_alpha[...] = colour, pixels.alpha[:rows, :columns]
        else:
            _over(colour, pixels.alpha[:rows, :columns], below, below_alpha)


def _region(part: Part) -> tuple[slice, slice]:
    return slice(part.y, part.y + part.height), slice(part.x, part.x + part.width)


def _over(colour: AnyArray, alpha: AnyArray, below: AnyArray, below_alpha: AnyArray) -> None:
    """Draw pixels over those below, in place; results are rounded to the nearest integer."""
    top = int(np.iinfo(below.dtype).max)
    plain = (alpha == top) | ((alpha > 0) & (below_alpha == 0))
    below[plain] = np.broadcast_to(colour, below.shape)[plain]
    below_alpha[plain] = alpha[plain]
    mixed = (alpha > 0) & ~plain
    if not mixed.any():
        return
    own = alpha[mixed].astype(np.uint64)
    u, v = own * np.uint64(top), (np.uint64(top) - own) * below_alpha[mixed].astype(np.uint64)
    total = u + v
    first = np.broadcast_to(colour, below.shape)[mixed].astype(np.uint64)
    sums = first * u[:, None] + below[mixed].astype(np.uint64) * v[:, None]
    below[mixed] = (sums + total[:, None] // np.uint64(2)) // total[:, None]
    below_alpha[mixed] = (total + np.uint64(top // 2)) // np.uint64(top)
