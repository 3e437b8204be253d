"""The arrays of a stack; only arrays that `compress` writes are opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from streamkm.errors import DataError
from streamkm.outputs.reading import StoredGroup
from streamkm.outputs.refusing import TEXTS
from streamkm.rows import RESTORE, damage, refuse_incomplete

# Arrays of a stack: number of dimensions, and kind of dtype.
_ARRAYS: dict[str, tuple[tuple[int, ...], str]] = {
    "codes": ((3, 4), "u"),
    "alpha": ((3,), "u"),
    "pixels": ((4,), "u"),
    "palette": ((1,), "iu"),
    "palettes": ((3,), "u"),
    "psnr": ((1,), "f"),
    "ssim": ((1,), "f"),
    "opacity": ((1,), "f"),
    "name": ((1,), TEXTS),
    "metadata": ((1,), TEXTS),
}


class Guarded:
    """A Zarr array whose errors name it; it is indexed like the array and has its attributes.

    Parameters
    ----------
    array : zarr.Array
    """

    def __init__(self, array: Any) -> None:
        self._array = array

    def __getitem__(self, region: Any) -> Any:
        with damage(f"{self._array.store_path}"):
            return self._array[region]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # while it is unpickled
            raise AttributeError(name)
        return getattr(self._array, name)


class StackArrays(Mapping[str, Any]):
    """Mapping of the arrays of a stack, each opened on access; other names do not exist.

    Parameters
    ----------
    group, root : StoredGroup of the stack and of the archive
    all_stored : whether every chunk was stored, so that a missing chunk was lost
    patch : height and width of a patch
    """

    def __init__(
        self, group: StoredGroup, root: StoredGroup, all_stored: bool, patch: tuple[int, int]
    ) -> None:
        self._group, self._root, self._all_stored = group, root, all_stored
        self._patch = patch
        self._opened: dict[str, Guarded] = {}

    @property
    def kind(self) -> str:
        """Kind of the images, which is the same for all images of a palette."""
        return str(self._group.attribute("kind", str))

    @property
    def others(self) -> list[str]:
        """Names of members that `compress` does not write."""
        return sorted(set(self._group.group.keys()) - set(_ARRAYS))

    def __getitem__(self, name: str) -> Guarded:
        if name not in self._opened:
            dimensions, kinds = _ARRAYS[name]
            found = self._group.stored(name, dimensions, kinds)
            if name == "pixels":
                self._check_sources()
            elif self._all_stored:
                refuse_incomplete(found)
            if not self._belongs(name, found.shape):
                raise DataError(
                    f"{name!r} of {self._group.where} has shape {found.shape}, which does not "
                    f"belong to its codes: {RESTORE}."
                )
            self._opened[name] = Guarded(found)
        return self._opened[name]

    def _belongs(self, name: str, shape: tuple[int, ...]) -> bool:
        """Whether the shape of an array is possible beside the codes."""
        if name == "codes":
            return True
        codes: tuple[int, ...] = self["codes"].shape
        if name == "alpha":
            pixels: tuple[int, ...] = self["pixels"].shape
            return shape == pixels[:3]
        if name != "pixels":
            return shape[0] == codes[0]
        patch = self._patch if len(codes) == 4 else (1, 1)
        grid = tuple(-(-n // p) for n, p in zip(shape[1:3], patch, strict=True))
        return (shape[0], *grid) == codes[:3]

    def _check_sources(self) -> None:
        """Raise an error if an array from which pixels are decoded lacks chunks."""
        for name in ("codes", "palette", "palettes"):
            if name in self:
                self[name]
        if self._all_stored and "alpha" in self:
            refuse_incomplete(self._group.stored("alpha", *_ARRAYS["alpha"]))
        for folder in ("palettes", "codebooks"):
            shared = self._root.group_in(folder)
            if self._all_stored and shared is not None and self.kind in shared:
                refuse_incomplete(shared.stored(self.kind, 3))

    def __contains__(self, name: object) -> bool:
        return name in _ARRAYS and str(name) in self._group

    def __iter__(self) -> Iterator[str]:
        return (name for name in _ARRAYS if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)
