"""Reading of archives: images by name, decoded when their values are requested."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.images.archive.html import archive_html
from streamkm.images.archive.metadata import parsed
from streamkm.images.archive.stack import StackArrays
from streamkm.images.archive.store import ArchiveStore

if TYPE_CHECKING:
    import xarray as xr


class Archive(ArchiveStore, Mapping[str, "xr.DataArray"]):
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

    def _repr_html_(self) -> str:
        return archive_html(self)

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
        return bool(self._stack(name)["codes"].ndim == 3)

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
        return "alpha" in self._stack(name)

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
        stack = self._stack(name)
        return int(stack["pixels"].shape[-1]) - ("alpha" in stack)

    def _stack(self, name: str) -> StackArrays:
        return self.stacks[self.place(name).stack]

    def _value(self, array: str, name: str) -> Any:
        """Return the value of an image in an array of its stack."""
        stack, number = self.place(name)
        return self.stacks[stack][array][number]

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
        return np.asarray(self._value("codes", name))

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
        return np.asarray(self._value("pixels", name))

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
        if not self.has_palette(name):
            raise DataError(
                f"{name} was coded in patches, so it has a codebook but no colour palette."
            )
        stack = self._stack(name)
        if "palettes" in stack:
            return np.asarray(self._value("palettes", name))
        palettes = self._shared_array(f"palettes/{stack.kind}", 3)
        return np.asarray(palettes[int(self._value("palette", name))])

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
        return parsed(str(self._value("metadata", name)), self.path)

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
