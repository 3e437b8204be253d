"""Headers and pixels of images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DamagedError
from streamkm.files.items import Item
from streamkm.files.names import shown
from streamkm.sizes import show_bytes

DTYPES = ("uint8", "uint16")  # of pixels
# Notices of parts that are left out. There are few texts, because images are counted by text.
FRAMES = "only the first frame of an animation is read; the option frames reads all"
MAIN = "only the main image of a HEIC file is read"
EIGHT_BITS = "colours of more than 8 bits in JPEG XL are read with 8 bits"
TIMES = "the times of the frames of an animation are left out"
COPIES = "reduced copies and masks among the pages of a TIFF are left out"
GAMMA = "the gamma of a PNG is ignored; its pixels are read as stored"
_SPACES = {b"RGB ": "RGB", b"GRAY": "grey", b"CMYK": "CMYK", b"Lab ": "Lab"}


@dataclass(frozen=True, slots=True)
class Header:
    """An image as described by its header.

    Parameters
    ----------
    item : the file of the image
    page : page of a TIFF, or frame of an animation, from 1 on
    name : relative name with slashes; later pages end with ``#2`` and so on
    height, width : in pixels, upright according to the EXIF orientation
    channels : number of colour channels: 1, 3 or the number of bands
    dtype : 'uint8' or 'uint16'
    alpha : whether there is an alpha channel, or transparency that becomes one
    metadata : JSON object
    icc : colour profile
    raster : whether GDAL reads the image, not Pillow
    at : byte at which the directory of a TIFF's page begins
    lost : parts of the file that are left out, one clause each
    to_srgb : whether colours are converted to sRGB by the profile of the file
    frames : number of frames of its file if each of them is an image, otherwise 0
    """

    item: Item
    page: int
    name: str
    height: int
    width: int
    channels: int
    dtype: str
    alpha: bool
    metadata: dict[str, Any]
    icc: bytes | None = None
    raster: bool = False
    at: int = 0
    lost: tuple[str, ...] = ()
    to_srgb: bool = False
    frames: int = 0

    @property
    def nbytes(self) -> int:
        """Decoded bytes of the image; for a frame twice as many, because others are composed."""
        itemsize = np.dtype(self.dtype).itemsize
        nbytes = self.height * self.width * (self.channels + self.alpha) * itemsize
        return 2 * nbytes if self.frames else nbytes


@dataclass(frozen=True, slots=True)
class Pixels:
    """A decoded image, upright.

    Parameters
    ----------
    colour : ndarray of shape (h, w, channels), in C order
    alpha : ndarray of shape (h, w) with the dtype of `colour`, or None
    """

    colour: AnyArray
    alpha: AnyArray | None


def page_name(item: Item, page: int) -> str:
    return item.name if page == 1 else f"{item.name}#{page}"


def check(header: Header, most_nbytes: int | None, held: int = 0) -> Header:
    """Return the header if it is valid for an image.

    Parameters
    ----------
    header : the header as read
    most_nbytes : maximum decoded bytes of an image
    held : minimum bytes that its decoder holds

    Raises
    ------
    DamagedError
        For a width or height of zero, and for more bytes than allowed.
    """
    declared = (
        f"the header of {shown(header.name)} declares {header.width:,} x {header.height:,} pixels"
    )
    if min(header.height, header.width, header.channels) < 1:
        raise DamagedError(f"{declared}: the image is empty: remove it")
    if most_nbytes is not None and max(header.nbytes, held) > most_nbytes:
        raise DamagedError(
            f"{declared}, {show_bytes(max(header.nbytes, held))} decoded, over the limit of "
            f"{show_bytes(most_nbytes)} for one image: raise --memory-limit"
        )
    return header


def with_its_profile(header: Header) -> Header:
    """Return the header without its profile if the colour model of the profile does not match.

    A CMYK profile does not apply to the RGB pixels, and a grey PNG cannot have a profile for
    colours. Images of bands keep their profile.
    """
    icc, own = header.icc, {1: "grey", 3: "RGB"}.get(header.channels)
    if icc is None or own is None or icc[36:40] != b"acsp":  # not a known profile
        return header
    space = _SPACES.get(icc[16:20], "other")
    if space == own:
        return header
    text = f"a colour profile for {space} colours is ignored, because the pixels are {own}"
    metadata = {name: value for name, value in header.metadata.items() if name != "icc"}
    return replace(header, icc=None, metadata=metadata, lost=(*header.lost, text))
