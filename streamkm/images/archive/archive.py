"""Reading of archives: images by name, decoded when their values are requested."""

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
    """Location of an image: its stack, and its number in the stack."""

    stack: str
    number: int


class Archive(Mapping[str, "xr.DataArray"]):
    """Mapping of names to images, which are read and decoded when their values are requested.

    Parameters
    ----------
    path : str or path-like
        Path or URL of an archive that `compress` wrote.

    Raises
    ------
    DataError
        If there is no archive.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from PIL import Image
    >>> from streamkm.images import compress
    >>> folder = tempfile.TemporaryDirectory()
    >>> image = Image.fromarray(np.eye(9, dtype="u1") * 255).convert("RGB")
    >>> image.save(f"{folder.name}/x.png")
    >>> _ = compress(f"{folder.name}/x.png", f"{folder.name}/x.zarr", 2)
    >>> archive = Archive(f"{folder.name}/x.zarr")
    >>> archive["x.png"][4, 3:6, 0].values
    array([  0, 255,   0], dtype=uint8)
    >>> archive.chosen(["x*"]), archive.n_colours("x.png"), archive.patch
    (['x.png'], 3, (1, 1))
    >>> archive.has_palette("x.png"), archive.has_alpha("x.png")
    (True, False)
    >>> archive.codes("x.png")[4, 3:6].tolist(), archive.palette("x.png").tolist()
    ([0, 1, 0], [[0, 0, 0], [255, 255, 255]])
    >>> np.array_equal(archive.pixels("x.png"), np.asarray(image)), list(archive.palettes())
    (True, ['rgb'])
    >>> metadata = archive.metadata("x.png")
    >>> metadata["format"], archive.profile("x.png"), archive.profile_named(metadata.get("icc"))
    ('PNG', None, None)
    >>> stack, number = archive.place("x.png")
    >>> str(archive.dataset(stack)["name"].values[number])
    'x.png'
    >>> folder.cleanup()
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        marks = marks_of(path)
        if marks.get("kind") != KIND or "format" not in marks:
            there = "" if "://" in os.fspath(path) or Path(path).exists() else ": no such path"
            raise DataError(f"{os.fspath(path)} is not a streamkm archive{there}.")
        self.path = os.fspath(path)
        # Workers have other working directories.
        self._where = self.path if "://" in self.path else os.path.abspath(self.path)
        self._stamp = _stamp(self._where)
        lacking = [name for name in _ATTRIBUTES if name not in marks]
        if lacking:
            raise DataError(
                f"{self.path} lacks the attribute {lacking[0]!r}, so it is not a complete archive."
            )
        self.parameters: dict[str, Any] = marks["parameters"]
        self.skipped = [(str(name), str(reason)) for name, reason in marks["skipped"]]
        # Part that is left out, number of images, and the name of the first one.
        self.notices = [(str(t), int(n), str(name)) for t, n, name in marks.get("notices", [])]
        self.source_nbytes = int(marks["source_nbytes"])
        self.versions: dict[str, str] = marks["versions"]

    @cached_property
    def group(self) -> Any:
        """The Zarr group of the archive."""
        group = zarr.open_group(self._where, mode="r")
        forget_listings(group)
        return group

    @cached_property
    def stacks(self) -> dict[str, Stored]:
        """The stacks of the archive, each with images of one size and kind."""
        images = group_in(self.group, "images")
        if images is None:
            raise DataError(
                f"{self.path} lacks the group 'images', so it is not a complete archive."
            )
        return {
            name: Stored(group, self.group, self._all_stored)
            for name, group in sorted(images.groups())
        }

    @cached_property
    def _all_stored(self) -> bool:
        marks = group_in(self.group, MARK)
        return marks is not None and bool(marks.attrs.get("every_chunk_is_stored"))

    def _whole(self, group: Any, name: str, ndim: int) -> Any:
        """Return an array outside the stacks."""
        found = stored(group, name, ndim)
        if self._all_stored:
            refuse_incomplete(found)
        return found

    @cached_property
    def places(self) -> dict[str, Place]:
        """Location of each image, in the order of stacks and names."""
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
        """Return the images for names and patterns such as ``'beach/*'``; all by default.

        Parameters
        ----------
        names : sequence of str, or None
            Names and patterns; None for all images.

        Returns
        -------
        list of str
            The names of the images, each once.

        Raises
        ------
        DataError
            If a name matches no image.
        """
        if names is None:
            return list(self)
        found: dict[str, None] = {}
        for name in names:
            meant = [name] if name in self.places else fnmatch.filter(self, name)
            if not meant:
                near = difflib.get_close_matches(name, self, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise DataError(f"{self.path} has no image {name!r}{hint}")
            found.update(dict.fromkeys(meant))
        return list(found)

    @property
    def patch(self) -> tuple[int, int]:
        """Height and width of a patch; (1, 1) for palettes."""
        high, wide = self.parameters["patch"]
        return int(high), int(wide)

    def has_palette(self, name: str) -> bool:
        """Return whether the codes of an image are colours, not patches or bands.

        Parameters
        ----------
        name : str
            Name of the image.

        Returns
        -------
        bool
            False if the image is coded by a codebook.
        """
        return bool(self.stacks[self.place(name).stack]["codes"].ndim == 3)

    def has_alpha(self, name: str) -> bool:
        """Return whether the last channel of an image is its opacity.

        Parameters
        ----------
        name : str
            Name of the image.

        Returns
        -------
        bool
            Whether there is such a channel.
        """
        return "alpha" in self.stacks[self.place(name).stack]

    def n_colours(self, name: str) -> int:
        """Return the number of channels of an image without its opacity.

        Parameters
        ----------
        name : str
            Name of the image.

        Returns
        -------
        int
            Number of channels, such as 3 for RGB.
        """
        pixels = self.stacks[self.place(name).stack]["pixels"]
        return int(pixels.shape[-1]) - self.has_alpha(name)

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
            self._datasets[stack] = xr.open_zarr(
                self._where,
                group=f"images/{stack}",
                consolidated=False,
                chunks=None,
                drop_variables=arrays.others,
            )
            for name in set(self._datasets[stack].variables):
                arrays[str(name)]  # an error if compress did not write it
        return self._datasets[stack]

    def _check(self) -> None:
        """Raise an error if the archive was replaced after it was opened."""
        if _stamp(self._where) != self._stamp:
            raise DataError(f"{self.path} was replaced after it was opened; open it again.")

    @cached_property
    def _datasets(self) -> dict[str, xr.Dataset]:
        return {}

    def codes(self, name: str) -> AnyArray:
        """Return the codes of an image.

        Parameters
        ----------
        name : str
            Name of the image.

        Returns
        -------
        ndarray of shape (y, x), or (row, column, stage) for patches
            Indices into the palette or the codebook, of the smallest unsigned dtype.
        """
        place = self.place(name)
        return np.asarray(self.stacks[place.stack]["codes"][place.number])

    def pixels(self, name: str) -> AnyArray:
        """Return the decoded pixels of an image.

        Parameters
        ----------
        name : str
            Name of the image.

        Returns
        -------
        ndarray of shape (y, x, channel)
            Pixel values, of the dtype of the original image.
        """
        place = self.place(name)
        return np.asarray(self.stacks[place.stack]["pixels"][place.number])

    def palette(self, name: str) -> AnyArray:
        """Return the palette of an image.

        Parameters
        ----------
        name : str
            Name of the image.

        Returns
        -------
        ndarray of shape (code, channel)
            Colours in the order of the codes.

        Raises
        ------
        DataError
            If it has a codebook of patches instead.
        """
        stack, number = self.place(name)
        group = self.stacks[stack]
        if not self.has_palette(name):
            raise DataError(
                f"{name} was coded in patches, so it has a codebook but no colour palette."
            )
        if "palettes" in group:
            return np.asarray(group["palettes"][number])
        palettes = self._whole(self.group, f"palettes/{group.kind}", 3)
        return np.asarray(palettes[int(group["palette"][number])])

    def palettes(self) -> dict[str, Palette]:
        """Return the palettes that images share.

        Returns
        -------
        dict of str to Palette
            By kind, such as 'rgb'; several palettes of a kind also by number and folder.
        """
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
        """Return the metadata of the file of an image.

        Parameters
        ----------
        name : str
            Name of the image.

        Returns
        -------
        dict of str to object
            Format, mode, resolution, and EXIF data in base64.
        """
        stack, number = self.place(name)
        found: dict[str, Any] = json.loads(str(self.stacks[stack]["metadata"][number]))
        return found

    def profile(self, name: str) -> bytes | None:
        """Return the ICC profile of an image.

        Parameters
        ----------
        name : str
            Name of the image.

        Returns
        -------
        bytes or None
            The profile; None if the image has none.
        """
        return self.profile_named(self.metadata(name).get("icc"))

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
        return (
            None
            if icc is None
            else np.asarray(self._whole(self.group, f"profiles/{icc}", 1)[...]).tobytes()
        )


def _stamp(where: str) -> tuple[int, int]:
    """Return a stamp that changes when a local archive is replaced."""
    if "://" in where:
        return 0, 0
    with suppress(FileNotFoundError):
        found = os.stat(os.path.join(where, "zarr.json"))
        return found.st_size, found.st_mtime_ns
    return -1, -1
