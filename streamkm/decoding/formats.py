"""Formats of image files, recognised by their first bytes, and Pillow's classes for them."""

from __future__ import annotations

from typing import Any, BinaryIO

from streamkm.errors import DamagedError
from streamkm.files.find import need
from streamkm.files.names import shown
from streamkm.files.unread import name_like, unread

HEAD = 64  # bytes that identify a format
# Classes of Pillow and its plug-ins are used by name: Image.open tries 40 formats, some of which
# start other programs, and applies one limit for the whole process.
_CLASSES = {
    "JPEG": "PIL.JpegImagePlugin.JpegImageFile",
    "PNG": "PIL.PngImagePlugin.PngImageFile",
    "GIF": "PIL.GifImagePlugin.GifImageFile",
    "WEBP": "PIL.WebPImagePlugin.WebPImageFile",
    "BMP": "PIL.BmpImagePlugin.BmpImageFile",
    "TIFF": "PIL.TiffImagePlugin.TiffImageFile",
    "PPM": "PIL.PpmImagePlugin.PpmImageFile",
    "AVIF": "PIL.AvifImagePlugin.AvifImageFile",
    "HEIF": "pillow_heif.HeifImageFile",
    "JXL": "pillow_jxl.JpegXLImagePlugin.JXLImageFile",
}
_SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG2000",
    b"\xff\x4f\xff\x51": "JPEG2000",
}
_OF_PLUG_INS = {"x.heic": "HEIF", "x.jxl": "JXL"}


def format_of(head: bytes, name: str) -> str:
    """Return the format of a file by Pillow's name.

    Parameters
    ----------
    head : the first `HEAD` bytes
    name : name of the file, for the error

    Raises
    ------
    DamagedError
        For files that are not images of a supported format.

    Examples
    --------
    >>> format_of(b"P6 4 4 255 ...", "x.ppm")
    'PPM'
    """
    for signature, found in _SIGNATURES.items():
        if head.startswith(signature):
            # A camera raw file is a TIFF whose first page is a small preview.
            if found == "TIFF" and (why := unread(name)):
                raise DamagedError(f"{shown(name)}: {why}")
            return found
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp" and any(brand in head[8:40] for brand in (b"avif", b"avis")):
        return "AVIF"
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace():
        return "PPM"
    if not head:
        raise DamagedError(f"{shown(name)} is empty: remove it")
    like = name_like(head)
    why = unread(name) or (unread(like) if like else None)
    if why:
        raise DamagedError(f"{shown(name)}: {why}")
    if like in _OF_PLUG_INS:
        return _OF_PLUG_INS[like]
    raise DamagedError(
        f"{shown(name)} is not an image of a supported format (it begins with {head[:12]!r}): "
        "remove it"
    )


def open_with_pillow(found: str, stream: BinaryIO) -> Any:
    """Open an image with Pillow and read only its header."""
    module, _, kind = _CLASSES[found].rpartition(".")
    stream.seek(0)
    return getattr(need(module, "images"), kind)(stream)
