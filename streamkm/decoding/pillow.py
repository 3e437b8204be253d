"""Images by Pillow: what their headers say, and their pixels."""

from __future__ import annotations

import base64
import math
from typing import Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt

from streamkm.decoding.formats import deep_png, open_with_pillow
from streamkm.decoding.header import Header, Pixels, check, page_name
from streamkm.decoding.tiff import icc_name
from streamkm.errors import DamagedError
from streamkm.files.find import need
from streamkm.files.items import Item
from streamkm.files.names import shown

_ORIENTATION = 274
_EXIF = b"Exif\0\0"
_BAND = 2**22  # pixels
# Colours and alpha of what comes out of each mode of Pillow's.
_KINDS = {"L": (1, False), "LA": (1, True), "RGB": (3, False), "RGBA": (3, True)}
_BECOMES = {
    **{"1": "L", "La": "LA", "PA": "RGBA", "RGBa": "RGBA", "RGBX": "RGB"},
    **{"CMYK": "RGB", "YCbCr": "RGB", "HSV": "RGB"},
}
_WITH_ALPHA = {"P": "RGBA", "RGB": "RGBA", "L": "LA", "1": "LA"}


def header_of(
    item: Item, found: str, stream: BinaryIO, head: bytes, page: int, most_nbytes: int | None
) -> Header:
    """What the header of one image says; nothing is decoded."""
    name = page_name(item, page)
    image = open_with_pillow(found, stream)
    turned = orientation(image)
    metadata = _metadata(image, turned, item)
    width, height = stored_size(image)
    if turned > 4:
        width, height = height, width
    deep = deep_png(head) if found == "PNG" else None
    if deep:
        channels, alpha = deep
        alpha = alpha or "transparency" in image.info
        metadata["bits"], dtype = 16, "uint16"
    elif image.mode.startswith("I;16"):
        channels, alpha, dtype = 1, "transparency" in image.info, "uint16"
        metadata["bits"] = 16
    else:
        (channels, alpha), dtype = _KINDS[_mode(image, name)], "uint8"
    icc = _profile(image)
    header = Header(
        item, page, name, height, width, channels, dtype, alpha, metadata, icc, deep is not None
    )
    return check(header, most_nbytes)


def decode(header: Header, found: str, stream: BinaryIO) -> Pixels:
    """The pixels, upright."""
    image = open_with_pillow(found, stream)
    turned = orientation(image)
    key = image.info.get("transparency")
    image.load()
    if found != "TIFF" and turned > 1:  # Pillow turns TIFFs by itself
        image = image.transpose(_turns()[turned])
    if header.dtype == "uint16":
        grey = np.asarray(image).astype(np.uint16, copy=False)[..., None]
        return Pixels(grey, keyed(grey, key) if header.alpha else None)
    mode = _mode(image, header.name)
    return _values(image, mode)


def _values(image: Any, mode: str) -> Pixels:
    """Pixels in a mode, in bands of some rows: all at once took twice the time and the memory."""
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


def orientation(image: Any) -> int:
    """The EXIF orientation, 1 to 8. Of a PNG, only as far as it stands before the pixels."""
    if image.format == "TIFF":
        value = image.tag_v2.get(_ORIENTATION, 1)
    else:
        exif = image.info.get("exif") or b""
        at = _orientation_at(exif)
        value = int.from_bytes(exif[at : at + 2], _order(exif)) if at else 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def stored_size(image: Any) -> tuple[int, int]:
    """Width and height as stored; of a TIFF, some versions of Pillow turn `size`."""
    if image.format != "TIFF":
        width, height = image.size
        return width, height
    return image.tag_v2[256], image.tag_v2[257]


def keyed(colour: npt.NDArray[np.uint16], key: Any) -> npt.NDArray[np.uint16]:
    """Alpha of a PNG in which one colour is transparent."""
    return np.where((colour == np.asarray(key)).all(axis=-1), 0, 65535).astype(np.uint16)


def _mode(image: Any, name: str) -> str:
    """The mode that an image is taken in."""
    mode = image.mode
    if "transparency" in image.info and mode in _WITH_ALPHA:
        return _WITH_ALPHA[mode]
    if mode == "P":
        return "RGB"
    mode = _BECOMES.get(mode, mode)
    if mode not in _KINDS:
        raise DamagedError(
            f"{shown(name)} has pixels of Pillow's mode {mode}; images are of 8 or 16 bits, in "
            "grey or colours: convert it, or leave it out with --skip-bad."
        )
    return str(mode)


def _metadata(image: Any, turned: int, item: Item) -> dict[str, Any]:
    about: dict[str, Any] = {"format": image.format, "mode": image.mode}
    if turned > 1:
        about["orientation"] = turned  # it was; pixels are upright
    dpi = [float(value) for value in image.info.get("dpi", ())]
    if len(dpi) == 2 and all(map(math.isfinite, dpi)):
        about["dpi"] = dpi
    exif = _exif(image)
    if exif:
        about["exif"] = base64.b64encode(exif).decode()
    icc = _profile(image)
    if icc:
        about["icc"] = icc_name(icc)
    if "transparency" in image.info and image.mode in (*_WITH_ALPHA, "I;16"):
        about["transparency"] = "palette" if image.mode == "P" else "key"
    if image.format != "TIFF" and getattr(image, "is_animated", False):
        about["frames"] = "the first of several"
    return about


def _profile(image: Any) -> bytes | None:
    """The colour profile; of a TIFF, anything may be in its place."""
    icc = image.info.get("icc_profile")
    return icc if isinstance(icc, bytes) and icc else None


def _exif(image: Any) -> bytes:
    """EXIF, with the orientation set to upright; a TIFF's is in its pages."""
    exif = bytes(image.info.get("exif") or b"")
    at = _orientation_at(exif)
    return exif[:at] + (1).to_bytes(2, _order(exif)) + exif[at + 2 :] if at else exif


def _order(exif: bytes) -> Literal["little", "big"]:
    return "little" if exif.removeprefix(_EXIF)[:2] == b"II" else "big"


def _orientation_at(exif: bytes) -> int:
    """Byte of the orientation in EXIF data, or 0.

    Written by Pillow anew, EXIF took ten times all else of a header, and loses what a maker of
    cameras found by its place; and EXIF that is damaged is no reason to refuse an image.
    """
    start = len(_EXIF) if exif.startswith(_EXIF) else 0
    order = _order(exif)

    def number(at: int, size: int) -> int:
        return int.from_bytes(exif[at : at + size], order)

    first = start + number(start + 4, 4)
    for entry in range(first + 2, min(first + 2 + 12 * number(first, 2), len(exif) - 11), 12):
        if (number(entry, 2), number(entry + 2, 2), number(entry + 4, 4)) == (_ORIENTATION, 3, 1):
            return entry + 8
    return 0


def _turns() -> dict[int, Any]:
    """What makes each EXIF orientation upright."""
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
