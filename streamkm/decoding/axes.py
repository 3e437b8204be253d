"""Which dimensions of an array are the height, the width and the channels of images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from streamkm.errors import DamagedError

_BANDS = r"bands?|wavelengths?"
# The names of each kind of dimension, in any case; those of '' are what images are counted by.
_NAMES = {
    "y": r"yc?|lat(itude)?|northing|h(eight)?|rows?|lines?",
    "x": r"xc?|lon(g|gitude)?|easting|w(idth)?|cols?|columns?|pixel",
    "c": rf"c|ch|channels?|colou?rs?|rgba?|samples?|components?|{_BANDS}",
    "": r"t|times?|date|z|depth|level|planes?|slice|n|i|images?|item|index|frames?|page|scenes?|s|"
    r"series|tile|batch|well|field|fov|position|p|m|v|view|angle|illumination|number",
}
_NO_NAME = re.compile(r"dim_\d+")  # as xarray calls dimensions that have none


@dataclass(frozen=True, slots=True)
class Axes:
    """The dimensions of an array of images.

    Parameters
    ----------
    kinds : for each dimension 'y', 'x', 'c', or '' where it counts images
    stacked : names of those that count images, as far as they have any
    bands : whether the channels are bands, of which the last is never alpha
    notices : what was guessed, a clause each
    """

    kinds: tuple[str, ...]
    stacked: tuple[str, ...] = ()
    bands: bool = False
    notices: tuple[str, ...] = ()


def axes_of(store: str, shape: Sequence[int], names: Sequence[str | None] | None) -> Axes:
    """The dimensions of an array, by their names in any case, or by its shape where it has none.

    Parameters
    ----------
    store : for errors
    shape, names : of the array

    Raises
    ------
    DamagedError
        For arrays that are not images, and for names with a height but no width, or one name twice.
    """
    known = list(names or ())
    if len(known) != len(shape) or not all(known) or all(map(_NO_NAME.fullmatch, map(str, known))):
        return Axes(_by_shape(store, shape))
    plain = [str(name) for name in known]
    kinds = list(map(_kind, plain))
    doubled = next((kind for kind in "yxc" if kinds.count(kind) > 1), None)
    if doubled or ("y" in kinds) != ("x" in kinds):
        what = f"two dimensions that are {doubled}" if doubled else "one of y and x, not both"
        raise DamagedError(
            f"{store} has dimensions {plain}, {what}: name them y and x, or leave it out with "
            "--skip-bad."
        )
    if "y" not in kinds:
        by_shape = _by_shape(store, shape)
        meaning = tuple(kind or "image" for kind in by_shape)
        text = f"the dimensions {plain} of an array are not known, and are taken as {meaning}"
        return Axes(by_shape, notices=(text.replace("'", ""),))
    unknown = [name for name, kind in zip(plain, kinds, strict=True) if kind is None]
    stacked = tuple(name for name, kind in zip(plain, kinds, strict=True) if not kind)
    bands = any(re.fullmatch(_BANDS, name.lower()) for name in plain)
    text = f"the dimensions {unknown} of an array are not known, and are taken to count images"
    notices = (text.replace("'", ""),) if unknown else ()
    return Axes(tuple(kind or "" for kind in kinds), stacked, bands, notices)


def _kind(name: str) -> str | None:
    """The kind of a dimension, or None where the name is not known."""
    found = (kind for kind, names in _NAMES.items() if re.fullmatch(names, name.lower()))
    return next(found, None)


def _by_shape(store: str, shape: Sequence[int]) -> tuple[str, ...]:
    """(y, x), (y, x, c), (image, y, x) or (image, y, x, c)."""
    if len(shape) == 3:
        return ("y", "x", "c") if shape[-1] in (3, 4) else ("", "y", "x")
    found: dict[int, tuple[str, ...]] = {2: ("y", "x"), 4: ("", "y", "x", "c")}
    if len(shape) not in found:
        raise DamagedError(
            f"{store} has shape {tuple(shape)}, which is no image (h, w), (h, w, 3) nor a stack "
            "(n, h, w, c): name its dimensions y and x, or leave it out with --skip-bad."
        )
    return found[len(shape)]
