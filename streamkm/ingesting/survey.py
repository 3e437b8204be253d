"""Common form of images of one size, and the conversion of each image to it."""

from __future__ import annotations

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.decoding.header import Header, Pixels
from streamkm.decoding.notices import Notice, notices_of, together
from streamkm.decoding.samples import scaled
from streamkm.errors import DataError
from streamkm.files.names import shown
from streamkm.ingesting.source import Form

_PROFILES = "colour profiles are not stored"


class Survey:
    """Form of the store, from the headers of all images.

    Parameters
    ----------
    where : names of the sources, for the error if there are no images
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._first: Header | None = None
        self._channels = 0
        self.notices: tuple[Notice, ...] = ()  # of parts that are left out
        self.count, self.alpha, self.dtype = 0, False, "uint8"

    def add(self, header: Header) -> None:
        """Add an image.

        Raises
        ------
        DataError
            For an image that does not match the previous ones.
        """
        first = self._first = self._first or header
        size, size_of_first = (header.height, header.width), (first.height, first.width)
        if size != size_of_first:
            raise DataError(
                f"{shown(header.name)} has the size {size}, but the first image, "
                f"{shown(first.name)}, has {size_of_first}: all images need the same size."
            )
        channels = header.channels
        if channels != first.channels and not {channels, first.channels} <= {1, 3}:
            raise DataError(
                f"{shown(header.name)} has {channels} channels, but the first image, "
                f"{shown(first.name)}, has {first.channels}: only grey and colour "
                "images can be combined."
            )
        self._channels = max(self._channels, channels)
        self.alpha |= header.alpha
        self.dtype = max(self.dtype, header.dtype, key=lambda name: np.dtype(name).itemsize)
        self.count += 1
        profile = [(_PROFILES, 1, header.name)] if header.icc else []
        self.notices = together([self.notices, notices_of([header]), profile])

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the values of an image. Grey with alpha is stored as colours with alpha."""
        if self._first is None:
            raise DataError(f"{self._where} contains no image that can be read.")
        grey = self._channels == 1 and self.alpha
        channels = (3 if grey else self._channels) + self.alpha
        return self._first.height, self._first.width, channels


def in_form(pixels: Pixels, form: Form, with_alpha: bool) -> AnyArray:
    """Convert an image to the form of the store: colours, 16 bits, and opaque alpha as needed."""
    channels = form.row_shape[-1] - with_alpha
    colour = pixels.colour
    if colour.shape[-1] == 1 < channels:
        colour = np.repeat(colour, channels, axis=-1)
    if with_alpha:
        most = np.iinfo(colour.dtype).max
        alpha = np.full(colour.shape[:2], most) if pixels.alpha is None else pixels.alpha
        colour = np.concatenate([colour, alpha[..., None].astype(colour.dtype)], axis=-1)
    if colour.dtype != form.dtype:
        colour = scaled(colour, int(np.iinfo(colour.dtype).max), form.dtype.name)
    return colour
