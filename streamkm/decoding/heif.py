"""HEIC files with more than 8 bits, which the class of the plug-in reduces to 8 bits."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np

from streamkm.decoding.header import Pixels
from streamkm.decoding.samples import Samples, pixels_of
from streamkm.files.find import need


def is_deep(image: Any) -> bool:
    """Return whether an opened image is of HEIC, with more than 8 bits."""
    return image.format == "HEIF" and int(image.info.get("bit_depth", 8)) > 8


def decode_deep(stream: BinaryIO) -> Pixels:
    """Decode the main image, scaled to the full 16 bits."""
    stream.seek(0)
    image = need("pillow_heif", "images").open_heif(stream, convert_hdr_to_8bit=False)
    bits, mode = int(image.info["bit_depth"]), image.mode.partition(";")[0]
    values = np.asarray(image) >> (16 - bits)  # the plug-in puts them in the highest bits
    values = values.reshape(*values.shape[:2], -1)
    kind = "grey" if mode in ("I", "L") else "rgb"
    alpha = mode in ("RGBA", "RGBa")
    return Pixels(*pixels_of(values, Samples(kind, bits, alpha, multiplied=mode == "RGBa")))
