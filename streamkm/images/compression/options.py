"""The options of `compress`, checked before anything is read."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np

from streamkm.errors import DataError
from streamkm.images.codebook.rate import choose
from streamkm.images.colour.palette import Palette
from streamkm.images.colour.palette_search import PaletteSearch
from streamkm.images.colour.spaces import SPACES
from streamkm.images.compression.given import given_colours, palette_for
from streamkm.numbers import MOST_RESTARTS, real_number, whole_number

PER = ("archive", "group", "image")
MOST_COLORS = 2**16  # a code is two bytes at most
MOST_PIXELS = 2**16  # of a patch; each is a feature of the codewords
_MOST_STAGES = 64
_COLORS = 256
_FLAGS = {"n_colors": "-k"}  # of options that are not named like their parameters


@dataclass(frozen=True)
class CompressOptions:
    """Options that determine the bytes of an archive.

    Parameters
    ----------
    n_colors : maximum number of colours of a palette, or of codewords of a stage
    per, patch, dither, space, n_init, seed, quality : as for `compress`
    stages : maximum number of codes of a patch
    cells : number of cells of a colour table
    colours, deep : a palette that is given for all images, and whether it has 16 bits
    srgb : whether colours are converted to sRGB
    frames : whether each frame of an animation is an image
    """

    n_colors: int
    per: str
    patch: tuple[int, int]
    stages: int
    quality: float | None
    dither: bool
    space: str
    n_init: int
    seed: int
    cells: int = 0
    colours: tuple[tuple[int, ...], ...] | None = None
    deep: bool = False
    srgb: bool = False
    frames: bool = False

    @classmethod
    def from_arguments(
        cls,
        *,
        n_colors: int | None,
        per: str,
        patch: tuple[int, int],
        stages: int | None,
        quality: float | None,
        bits_per_pixel: float | None,
        dither: bool,
        space: str,
        n_init: int,
        seed: int,
        palette: Any = None,
        srgb: bool = False,
        frames: bool = False,
    ) -> CompressOptions:
        """Check the arguments of `compress` and convert them.

        Raises
        ------
        DataError
            For invalid options, or options that exclude each other; the message names them.
        """
        for name, value, known in (("per", per, PER), ("space", space, SPACES)):
            if value not in known:
                raise DataError(f"{name}={value!r} is unknown; choose one of {', '.join(known)}.")
        if n_colors is not None:
            n_colors = whole_number("n_colors", n_colors, 1, MOST_COLORS)
        if stages is not None:
            stages = whole_number("stages", stages, 1, _MOST_STAGES)
        if quality is not None:
            quality = real_number("quality", quality, above=True)
        if bits_per_pixel is not None:
            bits_per_pixel = real_number("bits_per_pixel", bits_per_pixel, above=True)
        n_init = whole_number("n_init", n_init, 1, MOST_RESTARTS)
        seed = whole_number("random_state", seed, 0, 2**64 - 1)
        patch = _sides(patch)
        if quality is not None and bits_per_pixel is not None:
            raise DataError("--quality and --bits-per-pixel exclude each other; give only one.")
        k, most_stages = n_colors or _COLORS, stages or (_MOST_STAGES if quality else 1)
        if bits_per_pixel is not None:
            k, most_stages = _allowed(bits_per_pixel, patch, n_colors, stages)
        options = cls(k, per, patch, most_stages, quality, dither, space, n_init, seed)
        options = replace(options, srgb=srgb, frames=frames)
        options._check_patches(stages)
        if palette is not None:
            options = options._with_palette(palette, n_colors, bits_per_pixel)
        return options

    def _with_palette(self, palette: Any, k: int | None, bits: float | None) -> CompressOptions:
        """Return the options with a given palette, which excludes those of a search."""
        searches = {
            "n_colors": k is not None,
            "per": self.per != "archive",
            "patch": self.patch != (1, 1),
            "quality": self.quality is not None,
            "bits_per_pixel": bits is not None,
            "n_init": self.n_init != 1,
        }
        others = [name for name, given in searches.items() if given]
        if others:
            flags = ", ".join(_FLAGS.get(n, f"--{n.replace('_', '-')}") for n in others)
            raise DataError(
                python=f"palette gives the colours: leave out {', '.join(others)}.",
                command=f"--palette gives the colours: leave out {flags}.",
            )
        found = given_colours(palette)
        colours = tuple(map(tuple, found.tolist()))
        return replace(self, n_colors=len(found), colours=colours, deep=found.itemsize > 1)

    def given(self, channels: int, dtype: str) -> Palette:
        """Return the given palette for images of some channels and a dtype."""
        colours = np.array(self.colours, np.uint16 if self.deep else np.uint8)
        return palette_for(colours, channels, dtype, self.space)

    def _check_patches(self, stages: int | None) -> None:
        """Refuse options of palettes for patches, and options of patches for palettes."""
        if self.patch == (1, 1):
            if stages is not None:
                raise DataError(
                    python="stages applies to patches: add an option such as patch=(4, 4).",
                    command="--stages applies to patches: add an option such as --patch 4x4.",
                )
            return
        for name, given in (("dither", self.dither), ("space", self.space != "srgb")):
            if given:
                end = "applies to palettes, not to patches."
                raise DataError(python=f"{name} {end}", command=f"--{name} {end}")
        if self.per != "archive":
            end = "applies to palettes; an archive has one codebook."
            raise DataError(python=f"per={self.per!r} {end}", command=f"--per {self.per} {end}")

    @property
    def record(self) -> dict[str, Any]:
        """All options as JSON."""
        found = asdict(self) | {"patch": list(self.patch)}
        colours, deep = found.pop("colours"), found.pop("deep")
        for name in ("srgb", "frames"):
            if not found[name]:  # as in records of earlier versions
                del found[name]
        if colours is None:
            return found
        text = json.dumps([colours, deep])
        return found | {"palette": hashlib.sha256(text.encode()).hexdigest()[:32]}

    @property
    def search(self) -> PaletteSearch:
        """The search for palettes."""
        return PaletteSearch(self.n_colors, self.space, self.n_init, self.seed, self.quality)


def _sides(patch: Any) -> tuple[int, int]:
    """The height and width of a patch, checked."""
    sides = list(patch) if isinstance(patch, (tuple, list)) else []
    if len(sides) != 2 or not all(isinstance(n, Integral) and int(n) >= 1 for n in sides):
        raise DataError(f"patch={patch!r}: give its height and width, such as (4, 4).")
    high, wide = int(sides[0]), int(sides[1])
    if high * wide > MOST_PIXELS:
        raise DataError(f"a patch has at most {MOST_PIXELS:,} pixels, such as 256 x 256.")
    return high, wide


def _allowed(
    bits_per_pixel: float, patch: tuple[int, int], n_colors: int | None, stages: int | None
) -> tuple[int, int]:
    """The numbers of colours and stages that the bits per pixel allow.

    Raises
    ------
    DataError
        If they do not allow a code.
    """
    area = math.prod(patch)
    if area > 1 and n_colors is None and stages is None:
        return choose(bits_per_pixel, patch)
    bits = bits_per_pixel * area
    if n_colors is not None and area > 1:
        k, wanted = n_colors, int(bits / max(1.0, math.log2(n_colors)))
    else:
        wanted = stages or 1
        k = min(n_colors or MOST_COLORS, int(2 ** min(16.0, bits / wanted)))
    if wanted < 1 or k < 2:
        raise DataError(
            f"{bits_per_pixel:g} bits per pixel give {bits:.3g} bits for a patch of "
            f"{patch[0]}x{patch[1]}, too few for one code: allow more bits, a larger patch, or "
            "fewer codewords."
        )
    return k, min(wanted, stages or _MOST_STAGES)
