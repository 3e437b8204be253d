"""Identification of the height, width and channel dimensions of arrays of images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from streamkm.errors import DamagedError

_BANDS = r"bands?|wavelengths?"
# Names of each kind of dimension, ignoring case; dimensions of kind '' number the images.
_NAMES = {
    "y": r"yc?|lat(itude)?|northing|h(eight)?|rows?|lines?",
    "x": r"xc?|lon(g|gitude)?|easting|w(idth)?|cols?|columns?|pixel",
    "c": rf"c|ch|channels?|colou?rs?|rgba?|samples?|components?|{_BANDS}",
    "": r"t|times?|date|z|depth|level|planes?|slice|n|i|images?|item|index|frames?|page|scenes?|s|"
    r"series|tile|batch|well|field|fov|position|p|m|v|view|angle|illumination|number",
}
_NO_NAME = re.compile(r"dim_\d+")  # xarray's names of unnamed dimensions


@dataclass(frozen=True, slots=True)
class Axes:
    """The dimensions of an array of images.

    Parameters
    ----------
    kinds : 'y', 'x' or 'c' for each dimension, or '' if it numbers images
    stacked : names of the dimensions that number images, if they have names
    bands : whether the channels are bands, so that the last one is never alpha
    notices : assumptions about the dimensions, one clause each
    """

    kinds: tuple[str, ...]
    stacked: tuple[str, ...] = ()
    bands: bool = False
    notices: tuple[str, ...] = ()


def axes_of(store: str, shape: Sequence[int], names: Sequence[str | None] | None) -> Axes:
    """Identify the dimensions of an array by name, ignoring case, or by shape without names.

    Parameters
    ----------
    store : name of the array, for errors
    shape, names : shape and dimension names of the array

    Raises
    ------
    DamagedError
        For arrays that are not images, for a height without a width, and for duplicate names.
    """
    known = list(names or ())
    if len(known) != len(shape) or not all(known) or all(map(_NO_NAME.fullmatch, map(str, known))):
        return Axes(_by_shape(store, shape))
    plain = [str(name) for name in known]
    kinds = list(map(_kind, plain))
    doubled = next((kind for kind in "yxc" if kinds.count(kind) > 1), None)
    if doubled or ("y" in kinds) != ("x" in kinds):
        what = f"two of them for {doubled}" if doubled else "but only one of y and x"
        raise DamagedError(f"{store} has dimensions {plain}, {what}: name them y and x")
    if "y" not in kinds:
        by_shape = _by_shape(store, shape)
        meaning = tuple(kind or "image" for kind in by_shape)
        text = f"an array has the unknown dimensions {plain}, which are read as {meaning}"
        return Axes(by_shape, notices=(text.replace("'", ""),))
    unknown = [name for name, kind in zip(plain, kinds, strict=True) if kind is None]
    stacked = tuple(name for name, kind in zip(plain, kinds, strict=True) if not kind)
    bands = any(re.fullmatch(_BANDS, name.lower()) for name in plain)
    text = f"an array has the unknown dimensions {unknown}, which are read as counts of images"
    notices = (text.replace("'", ""),) if unknown else ()
    return Axes(tuple(kind or "" for kind in kinds), stacked, bands, notices)


def _kind(name: str) -> str | None:
    """Return the kind of a dimension, or None for an unknown name."""
    found = (kind for kind, names in _NAMES.items() if re.fullmatch(names, name.lower()))
    return next(found, None)


def _by_shape(store: str, shape: Sequence[int]) -> tuple[str, ...]:
    """Interpret a shape as (y, x), (y, x, c), (image, y, x) or (image, y, x, c)."""
    if len(shape) == 3:
        return ("y", "x", "c") if shape[-1] in (3, 4) else ("", "y", "x")
    found: dict[int, tuple[str, ...]] = {2: ("y", "x"), 4: ("", "y", "x", "c")}
    if len(shape) not in found:
        raise DamagedError(
            f"{store} has shape {tuple(shape)}, which is neither an image (h, w) or (h, w, 3) nor "
            "a stack (n, h, w, c): name its dimensions y and x"
        )
    return found[len(shape)]
