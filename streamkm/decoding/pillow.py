"""Headers and pixels of images by Pillow."""

from __future__ import annotations

import base64
import math
from typing import Any, BinaryIO

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.decoding.exif import ORIENTATION, XMP, made_upright, orientation, orientation_in
from streamkm.decoding.formats import open_with_pillow
from streamkm.decoding.header import (
    EIGHT_BITS,
    FRAMES,
    GAMMA,
    MAIN,
    Header,
    Pixels,
    check,
    page_name,
)
from streamkm.decoding.heif import decode_deep, is_deep
from streamkm.decoding.jxl import jxl_of
from streamkm.decoding.png import Png, png_of
from streamkm.decoding.profiles import colours_in_srgb, image_in_srgb
from streamkm.decoding.tiff import icc_name
from streamkm.errors import DamagedError
from streamkm.files.find import need
from streamkm.files.items import Item
from streamkm.files.names import shown

_BAND = 2**22  # pixels
# Number of colours, and alpha, of the pixels of each mode of Pillow.
_KINDS = {"L": (1, False), "LA": (1, True), "RGB": (3, False), "RGBA": (3, True)}
_BECOMES = {
    **{"1": "L", "La": "LA", "PA": "RGBA", "RGBa": "RGBA", "RGBX": "RGB"},
    **{"CMYK": "RGB", "YCbCr": "RGB", "HSV": "RGB"},
}
_WITH_ALPHA = {"P": "RGBA", "RGB": "RGBA", "L": "LA", "1": "LA"}


def header_of(
    item: Item, found: str, stream: BinaryIO, page: int, most_nbytes: int | None
) -> Header:
    """Read the header of an image without decoding pixels."""
    name = page_name(item, page)
    png = png_of(stream) if found == "PNG" else None
    deep_jxl = _checked_jxl(item, stream, most_nbytes) if found == "JXL" else False
    image = open_with_pillow(found, stream)
    exif = png.exif if png else bytes(image.info.get("exif") or b"")
    turned = _orientation(image, exif, png)
    metadata = _metadata(image, turned, exif)
    width, height = stored_size(image)
    if turned > 4:
        width, height = height, width
    deep = png.deep if png else None
    if deep:
        channels, alpha = deep
        dtype = "uint16"
    elif image.mode.startswith("I;16"):
        channels, alpha, dtype = 1, False, "uint16"
    else:
        (channels, alpha), dtype = _KINDS[_mode(image, name)], "uint8"
        dtype = "uint16" if is_deep(image) else dtype
    if dtype == "uint16":
        metadata["bits"] = 16
    if png and png.key:
        alpha, metadata["transparency"] = True, "key"
    icc = _profile(image)
    size = (height, width)
    lost = _lost(image, metadata) + ((GAMMA,) if _gamma(png) else ())
    if dtype == "uint8" and deep_jxl:
        lost += (EIGHT_BITS,)
    header = Header(
        item, page, name, *size, channels, dtype, alpha, metadata, icc, bool(deep), 0, lost
    )
    return check(header, most_nbytes)


def _checked_jxl(item: Item, stream: BinaryIO, most_nbytes: int | None) -> bool:
    """Return whether a JPEG XL file has more than 8 bits.

    It is checked first, because the plug-in decodes all pixels when it opens a file.
    """
    jxl, name = jxl_of(stream), page_name(item, 1)
    check(Header(item, 1, name, jxl.height, jxl.width, 3, "uint8", False, {}), most_nbytes)
    if jxl.animated:
        raise DamagedError(
            f"{shown(name)} is an animation in JPEG XL, which is not supported: convert it first "
            "(djxl IN OUT.apng)"
        )
    return jxl.bits > 8


def _lost(image: Any, metadata: dict[str, Any]) -> tuple[str, ...]:
    if "frames" not in metadata:
        return ()
    return (MAIN,) if image.format == "HEIF" else (FRAMES,)


def decode(header: Header, found: str, stream: BinaryIO) -> Pixels:
    """Decode the pixels, upright."""
    if found == "HEIF" and header.dtype == "uint16":
        return decode_deep(stream)
    key = png_of(stream).key if found == "PNG" else None
    image = open_with_pillow(found, stream)
    if key:
        image.info.pop("transparency", None)  # Pillow's value for samples that are not scaled
    image.load()
    return pixels_of(header, image, key)


def pixels_of(header: Header, image: Any, key: tuple[int, ...] | None = None) -> Pixels:
    """Return the pixels of a loaded image, upright.

    Parameters
    ----------
    header : header of the image
    image : image of Pillow
    key : transparent colour of a PNG, or None
    """
    turned = int(header.metadata.get("orientation", 1))
    if image.format != "TIFF" and turned > 1:  # Pillow turns TIFFs upright itself
        image = image.transpose(_turns()[turned])
    if header.dtype == "uint16":
        pixels = Pixels(np.asarray(image).astype(np.uint16, copy=False)[..., None], None)
    else:
        if key:
            image.info.pop("transparency", None)
        inks, profile = image.mode == "CMYK", image.info.get("icc_profile", b"")
        image = image_in_srgb(image) if header.to_srgb else image
        pixels = _values(image, _mode(image, header.name))
        if header.to_srgb and not inks:
            pixels = Pixels(colours_in_srgb(pixels.colour, profile), pixels.alpha)
    return Pixels(pixels.colour, keyed(pixels.colour, key)) if key else pixels


def _values(image: Any, mode: str) -> Pixels:
    """Convert pixels to a mode in strips, because all at once takes twice the time and memory."""
    channels, has_alpha = _KINDS[mode]
    width, height = image.size
    colour = np.empty((height, width, channels), np.uint8)
    alpha = np.empty((height, width), np.uint8) if has_alpha else None
    rows = min(64, max(1, _BAND // width))
    for top in range(0, height, rows):
        band = image.crop((0, top, width, min(top + rows, height)))
        band = band if band.mode == mode else band.convert(mode)
        here = slice(top, top + band.height)
        shape = (band.height, width, channels)
        if alpha is None:
            colour[here] = np.asarray(band).reshape(shape)
        elif mode == "LA":
            both = np.asarray(band)
            colour[here], alpha[here] = both[..., :1], both[..., 1]
        else:
            colour[here] = np.frombuffer(band.tobytes("raw", "RGB"), np.uint8).reshape(shape)
            alpha[here] = np.frombuffer(band.tobytes("raw", "A"), np.uint8).reshape(shape[:2])
    return Pixels(colour, alpha)


def _orientation(image: Any, exif: bytes, png: Png | None) -> int:
    """Return the EXIF orientation, 1 to 8."""
    if image.format == "HEIF" or (image.format == "JXL" and not image.jpeg):
        return 1  # the decoder turns the image by the orientation of the format, which counts
    if image.format == "TIFF":
        return orientation(image.tag_v2.get(ORIENTATION), image.tag_v2.get(XMP))
    xmp = png.xmp if png else image.info.get("xmp")
    return orientation(orientation_in(exif), xmp)


def _gamma(png: Png | None) -> bool:
    """Return whether a PNG declares a gamma that differs from that of sRGB."""
    return png is not None and png.gamma is not None and abs(png.gamma * 2.2 - 1) > 0.05


def stored_size(image: Any) -> tuple[int, int]:
    """Return width and height as stored; for TIFFs, some versions of Pillow turn `size`."""
    if image.format != "TIFF":
        width, height = image.size
        return width, height
    return image.tag_v2[256], image.tag_v2[257]


def keyed(colour: AnyArray, key: tuple[int, ...]) -> AnyArray:
    """Return the alpha of a PNG in which one colour is transparent."""
    most = np.iinfo(colour.dtype).max
    there = np.ones(colour.shape[:2], bool)
    for channel, value in enumerate(key):
        there &= colour[..., channel] == value
    return np.where(there, 0, most).astype(colour.dtype)


def _mode(image: Any, name: str) -> str:
    """Return the mode in which an image is decoded."""
    mode = image.mode
    if "transparency" in image.info and mode in _WITH_ALPHA:
        return _WITH_ALPHA[mode]
    if mode == "P":
        return "RGB"
    mode = _BECOMES.get(mode, mode)
    if mode not in _KINDS:
        raise DamagedError(
            f"{shown(name)} has Pillow mode {mode}; only grey and colour images of 8 or 16 bits "
            "are supported: convert it"
        )
    return str(mode)


def _metadata(image: Any, turned: int, exif: bytes) -> dict[str, Any]:
    about: dict[str, Any] = {"format": image.format, "mode": image.mode}
    if turned > 1:
        about["orientation"] = turned  # the pixels are upright already
    dpi = [float(value) for value in image.info.get("dpi", ())]
    if len(dpi) == 2 and all(map(math.isfinite, dpi)):
        about["dpi"] = dpi
    if exif and image.format != "TIFF":  # `tiff.pages` reads the EXIF data of a TIFF
        about["exif"] = base64.b64encode(made_upright(exif)).decode()
    icc = _profile(image)
    if icc:
        about["icc"] = icc_name(icc)
    if "transparency" in image.info and image.mode in (*_WITH_ALPHA, "I;16"):
        about["transparency"] = "palette" if image.mode == "P" else "key"
    if image.format != "TIFF" and getattr(image, "is_animated", False):
        about["frames"] = "the first of several"
    return about


def _profile(image: Any) -> bytes | None:
    """Return the colour profile; that of a TIFF may have any type."""
    icc = image.info.get("icc_profile")
    return icc if isinstance(icc, bytes) and icc else None


def _turns() -> dict[int, Any]:
    """Return the operations that turn each EXIF orientation upright."""
    turn = need("PIL.Image", "images").Transpose
    return {
        2: turn.FLIP_LEFT_RIGHT,
        3: turn.ROTATE_180,
        4: turn.FLIP_TOP_BOTTOM,
        5: turn.TRANSPOSE,
        6: turn.ROTATE_270,
        7: turn.TRANSVERSE,
        8: turn.ROTATE_90,
    }
