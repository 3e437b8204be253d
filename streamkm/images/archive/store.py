"""Archives on disk: attributes, stacks, arrays that images share, and where each image is."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import zarr

from streamkm.errors import DataError, NotAModelError
from streamkm.files.near import unless_there
from streamkm.images.archive.stack import Guarded, StackArrays
from streamkm.images.colour.palette import Palette
from streamkm.images.colour.spaces import check_space, space_of
from streamkm.outputs import ARCHIVE
from streamkm.outputs.reading import StoredGroup, open_stored
from streamkm.outputs.refusing import attribute
from streamkm.rows import EVERY_CHUNK, MARK, RESTORE, damage, is_a, refuse_incomplete
from streamkm.rows.paths import forget_listings

if TYPE_CHECKING:
    import xarray as xr

_FORMAT = 1
_ATTRIBUTES = {"parameters": dict, "skipped": list, "source_nbytes": int, "versions": dict}


class Place(NamedTuple):
    """Location of an image: its stack, and its number in the stack."""

    stack: str
    number: int


class ArchiveStore:
    """An archive on disk.

    Parameters
    ----------
    path : str or path-like
        Path or URL of an archive that `compress` wrote.

    Raises
    ------
    DataError
        If there is no archive.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        try:
            opened = open_stored(path, ARCHIVE, "a streamkm archive", _FORMAT)
        except NotAModelError as error:
            end = unless_there(path)
            wrong = f"{self.path} is not a streamkm archive{end}"
            if end != ".":
                raise DataError(wrong) from error
            raise DataError(
                wrong,
                python="Images are compressed first: streamkm.images.compress.",
                command="Images are compressed first: streamkm compress IMAGES -o ARCHIVE.",
            ) from error
        # Workers have other working directories.
        self._where = self.path if "://" in self.path else os.path.abspath(self.path)
        self._stamp = _stamp(self._where)
        marks = {name: opened.attribute(name, kind) for name, kind in _ATTRIBUTES.items()}
        self.parameters: dict[str, Any] = marks["parameters"]
        with damage(self.path):
            self.skipped = [(str(name), str(reason)) for name, reason in marks["skipped"]]
            # Part that is left out, number of images, and the name of the first one.
            notices = opened.attributes.get("notices", [])
            self.notices = [(str(t), int(n), str(name)) for t, n, name in notices]
            high, wide = self.patch
            if min(high, wide) < 1:
                raise ValueError(f"patches of {high} x {wide} pixels")
            check_space(str(self.parameters["space"]), 3)
        self.source_nbytes = int(marks["source_nbytes"])
        self.versions: dict[str, str] = marks["versions"]

    @cached_property
    def group(self) -> Any:
        """The Zarr group of the archive."""
        group = zarr.open_group(self._where, mode="r")
        forget_listings(group)
        return group

    @cached_property
    def _root(self) -> StoredGroup:
        return StoredGroup(self.group)

    @cached_property
    def stacks(self) -> dict[str, StackArrays]:
        """The stacks of the archive, each with images of one size and kind."""
        images = self._root.group_in("images")
        if images is None:
            raise DataError(
                f"{self.path} lacks the group 'images', so it is not a complete archive."
            )
        with damage(self.path):
            names = sorted(name for name, _ in images.group.groups())
        groups = {name: images.group_in(name) for name in names}
        return {
            name: StackArrays(group, self._root, self._all_stored, self.patch)
            for name, group in groups.items()
            if group is not None
        }

    @cached_property
    def _all_stored(self) -> bool:
        with damage(self.path):
            marks = self.group.get(MARK)
        return is_a(marks, "zarr.Group") and EVERY_CHUNK.items() <= dict(marks.attrs).items()

    @cached_property
    def places(self) -> dict[str, Place]:
        """Location of each image, in the order of stacks and names."""
        found = dict[str, Place]()
        for stack, group in self.stacks.items():
            quality = np.asarray(group["psnr"][...])
            if np.isnan(quality).any():
                raise DataError(f"{self.path} has images without a quality: {RESTORE}.")
            whole = quality >= 0
            names = np.asarray(group["name"][...])
            for number in np.flatnonzero(whole).tolist():
                name = str(names[number])
                if name in found:
                    raise DataError(f"{self.path} has two images of the name {name!r}: {RESTORE}.")
                found[name] = Place(stack, number)
        return found

    def place(self, name: str) -> Place:
        """Return the location of an image.

        Parameters
        ----------
        name : str
            Name of the image.

        Returns
        -------
        Place
            Name of its stack, and its index in the stack.

        Raises
        ------
        KeyError
            If there is no image of this name.
        DataError
            If the archive was replaced after it was opened.
        """
        self._check()
        return self.places[name]

    def dataset(self, stack: str) -> xr.Dataset:
        """Open a stack as an xarray Dataset of codes, pixels, names and quality.

        Parameters
        ----------
        stack : str
            Name of the stack, as in `Archive.stacks`.

        Returns
        -------
        xarray.Dataset
            The arrays are lazy; pixels are decoded when their values are requested.

        Raises
        ------
        DataError
            If the archive was replaced after it was opened, or an array is missing.
        """
        import xarray as xr  # takes 90 MiB; not needed by compress

        self._check()
        if stack not in self._datasets:
            arrays = self.stacks[stack]
            for name in {*arrays, "pixels", "name"}:
                arrays[name]  # an error if it cannot be opened
            with damage(f"{self.path}/images/{stack}"):
                self._datasets[stack] = xr.open_zarr(
                    self._where,
                    group=f"images/{stack}",
                    consolidated=False,
                    chunks=None,
                    drop_variables=arrays.others,
                )
        return self._datasets[stack]

    @property
    def patch(self) -> tuple[int, int]:
        """Height and width of a patch; (1, 1) for palettes."""
        high, wide = self.parameters["patch"]
        return int(high), int(wide)

    def palettes(self) -> dict[str, Palette]:
        """Return the palettes that images share.

        Returns
        -------
        dict of str to Palette
            By kind, such as 'rgb'; several palettes of a kind also by number and folder.
        """
        found = {}
        space = str(self.parameters["space"])
        palettes = self._root.group_in("palettes")
        for kind in () if palettes is None else sorted(palettes.group.array_keys()):
            array = self._shared_array(f"palettes/{kind}", 3)
            several = np.asarray(array[...])
            folders = attribute(array, "of", list)
            if len(folders) != len(several):
                raise DataError(f"{array.store_path} and its folders have different lengths.")
            for number, colours in enumerate(several):
                folder = str(folders[number]).replace("/", "-")
                name = kind if len(several) == 1 else f"{kind}-{number}-{folder}".rstrip("-")
                found[name] = Palette(colours, space_of(colours.shape[1], space))
        return found

    def profile_named(self, icc: str | None) -> bytes | None:
        """Return an ICC profile by the name in the metadata of its images.

        Parameters
        ----------
        icc : str or None
            Value of ``icc`` in the metadata.

        Returns
        -------
        bytes or None
            The profile; None for None.
        """
        if icc is None:
            return None
        return np.asarray(self._shared_array(f"profiles/{icc}", 1)[...]).tobytes()

    def _shared_array(self, path: str, ndim: int) -> Any:
        """Open an array outside the stacks."""
        folder, _, name = path.rpartition("/")
        group = self._root.group_in(folder)
        if group is None:
            raise DataError(f"{self.path} lacks {path!r}, so it is incomplete: {RESTORE}.")
        found = group.stored(name, ndim)
        if self._all_stored:
            refuse_incomplete(found)
        return Guarded(found)

    def _check(self) -> None:
        """Raise an error if the archive was replaced after it was opened."""
        if _stamp(self._where) != self._stamp:
            raise DataError(f"{self.path} was replaced after it was opened; open it again.")

    @cached_property
    def _datasets(self) -> dict[str, xr.Dataset]:
        return {}


def _stamp(where: str) -> tuple[int, int]:
    """Return a stamp that changes when a local archive is replaced."""
    if "://" in where:
        return 0, 0
    with suppress(FileNotFoundError):
        found = os.stat(os.path.join(where, "zarr.json"))
        return found.st_size, found.st_mtime_ns
    return -1, -1
