"""The arrays of a stack; only arrays that `compress` writes are opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from streamkm.outputs.reading import NUMBERS, TEXTS, attribute, stored
from streamkm.rows import refuse_incomplete

# Arrays of a stack: number of dimensions, and kind of dtype.
_ARRAYS: dict[str, tuple[tuple[int, ...], str]] = {
    "codes": ((3, 4), "u"),
    "alpha": ((3,), NUMBERS),
    "pixels": ((4,), NUMBERS),
    "palette": ((1,), "iu"),
    "palettes": ((3,), NUMBERS),
    "psnr": ((1,), "f"),
    "ssim": ((1,), "f"),
    "opacity": ((1,), "f"),
    "name": ((1,), TEXTS),
    "metadata": ((1,), TEXTS),
}


class StackArrays(Mapping[str, Any]):
    """Mapping of the arrays of a stack, each opened on access; other names do not exist.

    Parameters
    ----------
    group, root : zarr.Group of the stack and of the archive
    all_stored : whether every chunk was stored, so that a missing chunk was lost
    """

    def __init__(self, group: Any, root: Any, all_stored: bool) -> None:
        self._group, self._root, self._all_stored = group, root, all_stored
        self._opened: dict[str, Any] = {}

    @property
    def kind(self) -> str:
        """Kind of the images, which is the same for all images of a palette."""
        return str(attribute(self._group, "kind"))

    @property
    def others(self) -> list[str]:
        """Names of members that `compress` does not write."""
        return sorted(set(self._group.keys()) - set(_ARRAYS))

    def __getitem__(self, name: str) -> Any:
        if name not in self._opened:
            dimensions, kinds = _ARRAYS[name]
            found = stored(self._group, name, dimensions, kinds)
            if name == "pixels":
                self._check_sources()
            elif self._all_stored:
                refuse_incomplete(found)
            self._opened[name] = found
        return self._opened[name]

    def _check_sources(self) -> None:
        """Raise an error if an array from which pixels are decoded lacks chunks."""
        for name in ("codes", "alpha", "palette", "palettes"):
            if name in self:
                self[name]
        for path in (f"palettes/{self.kind}", f"codebooks/{self.kind}"):
            if self._all_stored and path in self._root:
                refuse_incomplete(stored(self._root, path, 3))

    def __contains__(self, name: object) -> bool:
        return name in _ARRAYS and name in self._group

    def __iter__(self) -> Iterator[str]:
        return (name for name in _ARRAYS if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)
