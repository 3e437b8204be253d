"""An archive opened again: names to pixels that are decoded as they are asked for."""

from __future__ import annotations

import difflib
import fnmatch
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import zarr

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.images.archive.stored import Stored
from streamkm.images.colour.palette import Palette
from streamkm.images.colour.spaces import space_of
from streamkm.outputs import ARCHIVE, marks_of
from streamkm.outputs.reading import attribute, group_in, stored
from streamkm.rows import MARK, refuse_incomplete
from streamkm.rows.open import forget_listings

if TYPE_CHECKING:
    import xarray as xr

KIND = ARCHIVE
_ATTRIBUTES = ("parameters", "skipped", "source_nbytes", "versions")


class Place(NamedTuple):
    """Where an image lies: its stack, and its number there."""

    stack: str
    number: int


class Archive(Mapping[str, "xr.DataArray"]):
    """Images by their names; each is read, and decoded, when its values are asked for.

    Parameters
    ----------
    path : of what `compress` wrote, also a URL

    Raises
    ------
    DataError
        When there is no archive.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from PIL import Image
    >>> from streamkm.images import compress
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.fromarray(np.eye(9, dtype="u1") * 255).convert("RGB").save(f"{folder}/x.png")
    ...     _ = compress(f"{folder}/x.png", f"{folder}/x.zarr", 2)
    ...     Archive(f"{folder}/x.zarr")["x.png"][4, 3:6, 0].values
    array([  0, 255,   0], dtype=uint8)
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        marks = marks_of(path)
        if marks.get("kind") != KIND or "format" not in marks:
            there = "" if "://" in os.fspath(path) or Path(path).exists() else ": no such path"
            raise DataError(f"{os.fspath(path)} is not an archive of streamkm's{there}.")
        self.path = os.fspath(path)
        # Workers are in folders of their own.
        self._where = self.path if "://" in self.path else os.path.abspath(self.path)
        self._stamp = _stamp(self._where)
        lacking = [name for name in _ATTRIBUTES if name not in marks]
        if lacking:
            raise DataError(f"{self.path} lacks the attribute {lacking[0]!r}: no whole archive.")
        self.parameters: dict[str, Any] = marks["parameters"]
        self.skipped = [(str(name), str(reason)) for name, reason in marks["skipped"]]
        # What is not taken of the images, of how many, and the name of the first.
        self.notices = [(str(t), int(n), str(name)) for t, n, name in marks.get("notices", [])]
        self.source_nbytes = int(marks["source_nbytes"])
        self.versions: dict[str, str] = marks["versions"]

    @cached_property
    def group(self) -> Any:
        """The Zarr group of it all."""
        group = zarr.open_group(self._where, mode="r")
        forget_listings(group)
        return group

    @cached_property
    def stacks(self) -> dict[str, Stored]:
        """The arrays of images of one size and kind."""
        images = group_in(self.group, "images")
        if images is None:
            raise DataError(f"{self.path} lacks the group 'images', so it is no whole archive.")
        return {
            name: Stored(group, self.group, self._all_stored)
            for name, group in sorted(images.groups())
        }

    @cached_property
    def _all_stored(self) -> bool:
        marks = group_in(self.group, MARK)
        return marks is not None and bool(marks.attrs.get("every_chunk_is_stored"))

    def _whole(self, group: Any, name: str, ndim: int) -> Any:
        """An array beside the stacks."""
        found = stored(group, name, ndim)
        if self._all_stored:
            refuse_incomplete(found)
        return found

    @cached_property
    def places(self) -> dict[str, Place]:
        """Where each image lies, in the order of stacks and names."""
        found = {}
        for stack, group in self.stacks.items():
            whole = np.asarray(group["psnr"][...]) >= 0
            names = np.asarray(group["name"][...])
            found.update({str(names[i]): Place(stack, int(i)) for i in np.flatnonzero(whole)})
        return found

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __getitem__(self, name: str) -> xr.DataArray:
        place = self.place(name)
        pixels = self.dataset(place.stack)["pixels"][place.number]
        return pixels.assign_attrs(self.metadata(name)).rename(name)

    def __repr__(self) -> str:
        return f"<Archive {self.path}: {len(self):,} images in {len(self.stacks):,} stacks>"

    def chosen(self, names: Sequence[str] | None) -> list[str]:
        """The images that are meant by names and patterns such as ``'beach/*'``; all by default.

        Raises
        ------
        DataError
            When a name stands for none.
        """
        if names is None:
            return list(self)
        found: dict[str, None] = {}
        for name in names:
            meant = [name] if name in self.places else fnmatch.filter(self, name)
            if not meant:
                near = difflib.get_close_matches(name, self, 1)
                hint = f"; is {near[0]!r} meant?" if near else ""
                raise DataError(f"{self.path} holds no image {name!r}{hint}")
            found.update(dict.fromkeys(meant))
        return list(found)

    @property
    def patch(self) -> tuple[int, int]:
        """Height and width of what a code stands for."""
        high, wide = self.parameters["patch"]
        return int(high), int(wide)

    def has_palette(self, name: str) -> bool:
        """Whether its codes stand for colours, not for patches or bands."""
        return bool(self.stacks[self.place(name).stack]["codes"].ndim == 3)

    def has_alpha(self, name: str) -> bool:
        """Whether the last channel of an image is its opacity."""
        return "alpha" in self.stacks[self.place(name).stack]

    def n_colours(self, name: str) -> int:
        """Channels of colour of an image, beside its opacity."""
        pixels = self.stacks[self.place(name).stack]["pixels"]
        return int(pixels.shape[-1]) - self.has_alpha(name)

    def place(self, name: str) -> Place:
        """Where an image lies.

        Raises
        ------
        KeyError
            When there is none of that name.
        DataError
            When the archive was replaced since it was opened.
        """
        self._check()
        return self.places[name]

    def dataset(self, stack: str) -> xr.Dataset:
        """A stack as xarray opens it: codes, pixels, names, quality; nothing is read yet."""
        import xarray as xr  # 90 MiB, which to compress does without

        self._check()
        if stack not in self._datasets:
            arrays = self.stacks[stack]
            self._datasets[stack] = xr.open_zarr(
                self._where,
                group=f"images/{stack}",
                consolidated=False,
                chunks=None,
                drop_variables=arrays.others,
            )
            for name in set(self._datasets[stack].variables):
                arrays[str(name)]  # refused where it is not what compress writes
        return self._datasets[stack]

    def _check(self) -> None:
        """Names and numbers of images are those of the archive that was opened, and of no other."""
        if _stamp(self._where) != self._stamp:
            raise DataError(f"{self.path} was replaced since it was opened: open it again.")

    @cached_property
    def _datasets(self) -> dict[str, xr.Dataset]:
        return {}

    def codes(self, name: str) -> AnyArray:
        """The codes (y, x) of an image."""
        place = self.place(name)
        return np.asarray(self.stacks[place.stack]["codes"][place.number])

    def pixels(self, name: str) -> AnyArray:
        """The pixels (y, x, channel) of an image, decoded."""
        place = self.place(name)
        return np.asarray(self.stacks[place.stack]["pixels"][place.number])

    def palette(self, name: str) -> AnyArray:
        """The palette (code, channel) of an image.

        Raises
        ------
        DataError
            When it has none, but a codebook of patches.
        """
        stack, number = self.place(name)
        group = self.stacks[stack]
        if not self.has_palette(name):
            raise DataError(f"{name} is made of patches; its codebook is no palette of colours.")
        if "palettes" in group:
            return np.asarray(group["palettes"][number])
        palettes = self._whole(self.group, f"palettes/{group.kind}", 3)
        return np.asarray(palettes[int(group["palette"][number])])

    def palettes(self) -> dict[str, Palette]:
        """The palettes that images share, by their kind; of several by number and folder too."""
        found = {}
        space = str(self.parameters["space"])
        palettes = group_in(self.group, "palettes")
        for kind in () if palettes is None else sorted(palettes.array_keys()):
            array = self._whole(palettes, kind, 3)
            several = np.asarray(array[...])
            folders = attribute(array, "of")
            for number, colours in enumerate(several):
                folder = str(folders[number]).replace("/", "-")
                name = kind if len(several) == 1 else f"{kind}-{number}-{folder}".rstrip("-")
                found[name] = Palette(colours, space_of(colours.shape[1], space))
        return found

    def metadata(self, name: str) -> dict[str, Any]:
        """What was known of the file: format, mode, resolution, EXIF in base64."""
        stack, number = self.place(name)
        found: dict[str, Any] = json.loads(str(self.stacks[stack]["metadata"][number]))
        return found

    def profile(self, name: str) -> bytes | None:
        """The ICC profile of an image."""
        return self.profile_named(self.metadata(name).get("icc"))

    def profile_named(self, icc: str | None) -> bytes | None:
        """An ICC profile, by what the metadata of its images call it."""
        return (
            None
            if icc is None
            else np.asarray(self._whole(self.group, f"profiles/{icc}", 1)[...]).tobytes()
        )


def _stamp(where: str) -> tuple[int, int]:
    """What changes when an archive on this machine is replaced."""
    if "://" in where:
        return 0, 0
    with suppress(FileNotFoundError):
        found = os.stat(os.path.join(where, "zarr.json"))
        return found.st_size, found.st_mtime_ns
    return -1, -1
