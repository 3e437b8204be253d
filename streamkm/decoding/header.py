"""What is known of an image before it is decoded, and what comes out of it."""

from __future__ import annotations

import errno
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DamagedError, ReadError, StreamkmError
from streamkm.files.items import Item
from streamkm.files.names import shown
from streamkm.sizes import show_bytes

# Every exception that decoders raise for files that are not images, or are cut short.
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, IndexError)
# Beside DAMAGE, of a parser that believed its file; a warning where warnings are errors.
_ALSO = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, LookupError, ArithmeticError, TypeError),
    *(AttributeError, AssertionError, RuntimeError, UserWarning),
)
# What is not taken of a file. Few different texts: images of one are counted together.
FRAMES = "only the first frame of an animation is taken"
COPIES = "smaller copies and masks among the pages of a TIFF are left out"
GAMMA = "the gamma of a PNG is left out, and its pixels are taken as they are"
_SPACES = {b"RGB ": "RGB", b"GRAY": "grey", b"CMYK": "CMYK", b"Lab ": "Lab"}
# Decoders raise OSError without a number; those of the system have one, also for a damaged offset.
_OF_DECODERS = (None, errno.EINVAL, errno.EOVERFLOW)


@dataclass(frozen=True, slots=True)
class Header:
    """An image as its header says it is.

    Parameters
    ----------
    item : the file it is in
    page : of a TIFF, from 1 on
    name : relative, with slashes; of later pages with ``#2`` and so on
    height, width : upright, as the EXIF orientation says
    channels : of colour: 1, 3 or the number of bands
    dtype : 'uint8' or 'uint16'
    alpha : whether there is an alpha channel beside them, or transparency that becomes one
    metadata : JSON-able
    icc : colour profile
    raster : whether GDAL reads it, not Pillow
    at : byte at which the directory of a TIFF's page begins
    lost : what is not taken of the file, a clause each
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

    @property
    def nbytes(self) -> int:
        """Decoded."""
        itemsize = np.dtype(self.dtype).itemsize
        return self.height * self.width * (self.channels + self.alpha) * itemsize


@dataclass(frozen=True, slots=True)
class Pixels:
    """A decoded image, upright.

    Parameters
    ----------
    colour : ndarray of shape (h, w, channels), in C order
    alpha : ndarray of shape (h, w) and the dtype of `colour`, or None
    """

    colour: AnyArray
    alpha: AnyArray | None


def page_name(item: Item, page: int) -> str:
    return item.name if page == 1 else f"{item.name}#{page}"


def check(header: Header, most_nbytes: int | None, held: int = 0) -> Header:
    """The header, if an image may be as it says.

    Parameters
    ----------
    header : as read
    most_nbytes : decoded bytes that one image may take
    held : bytes that its decoder holds at the least

    Raises
    ------
    DamagedError
        For sides of no pixels, and for more bytes than allowed.
    """
    says = f"{shown(header.name)} says {header.width:,} x {header.height:,} pixels"
    if min(header.height, header.width, header.channels) < 1:
        raise DamagedError(f"{says}: there is nothing in it.")
    if most_nbytes is not None and max(header.nbytes, held) > most_nbytes:
        raise DamagedError(
            f"{says}, {show_bytes(max(header.nbytes, held))} decoded, over the "
            f"{show_bytes(most_nbytes)} that one image may take: raise --memory-limit, or leave it "
            "out with --skip-bad."
        )
    return header


def with_its_profile(header: Header) -> Header:
    """The header without a colour profile of other colours than its pixels have.

    That of inks does not fit the RGB they become, and a PNG of grey takes none of colours. Bands
    keep any.
    """
    icc, own = header.icc, {1: "grey", 3: "RGB"}.get(header.channels)
    if icc is None or own is None or icc[36:40] != b"acsp":  # not a profile that is known
        return header
    space = _SPACES.get(icc[16:20], "other")
    if space == own:
        return header
    text = f"a colour profile of {space} colours is left out, as the pixels are {own}"
    metadata = {name: value for name, value in header.metadata.items() if name != "icc"}
    return replace(header, icc=None, metadata=metadata, lost=(*header.lost, text))


@contextmanager
def damage(name: str, *more: type[Exception]) -> Iterator[None]:
    """What decoders raise of damaged files becomes one error that names the file.

    Parameters
    ----------
    name : of the image
    more : errors that the decoder has of its own

    Raises
    ------
    DamagedError
        For what is in the file.
    ReadError
        For what the disk or the network did.
    """
    caught: tuple[type[Exception], ...] = (*DAMAGE, *_ALSO, *more)
    try:
        yield
    except StreamkmError:
        raise
    except caught as error:
        if isinstance(error, OSError) and error.errno not in _OF_DECODERS:
            raise ReadError(f"{shown(name)} cannot be read: {error}") from error
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise DamagedError(
            f"{shown(name)} is damaged ({reason}): mend or remove it, or leave it out with "
            "--skip-bad."
        ) from error
