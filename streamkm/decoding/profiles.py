"""Conversion of colours to sRGB by their ICC profile, with LittleCMS as Pillow has it."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.decoding.header import Header
from streamkm.files.find import need

# Number of channels of the pixels, and mode of Pillow, by the colour space of a profile.
_SPACES = {b"RGB ": (3, "RGB"), b"GRAY": (1, "L"), b"CMYK": (3, "CMYK")}
_DEEP = "a colour profile is not applied, because only colours of 8 bits are converted to sRGB"
_UNUSABLE = "a colour profile is not applied, because it does not suit the pixels or is damaged"
_STRIP = 2**20  # pixels that are converted together


def in_srgb(header: Header) -> Header:
    """Return the header of an image whose colours are converted to sRGB when it is decoded.

    An image without a profile stays as it is, and so does one whose profile cannot be applied,
    with a notice.
    """
    if header.icc is None:
        return header
    if header.raster or header.dtype != "uint8":
        return replace(header, lost=(*header.lost, _DEEP))
    channels, mode = _SPACES.get(header.icc[16:20], (0, ""))
    inks = header.metadata.get("mode") == "CMYK"
    if channels != header.channels or inks != (mode == "CMYK") or _transform(header.icc) is None:
        return replace(header, lost=(*header.lost, _UNUSABLE))
    metadata = {name: value for name, value in header.metadata.items() if name != "icc"}
    return replace(header, icc=None, metadata=metadata | {"colours": "sRGB"}, to_srgb=True)


def image_in_srgb(image: Any) -> Any:
    """Return an image of inks as RGB; other images as they are."""
    if image.mode != "CMYK":
        return image
    transform = _transform(image.info["icc_profile"])
    return need("PIL.ImageCms", "images").applyTransform(image, transform)


def colours_in_srgb(colour: AnyArray, profile: bytes) -> AnyArray:
    """Return colours (h, w, 1 or 3), uint8, in sRGB.

    Parameters
    ----------
    colour : ndarray of shape (h, w, 1 or 3), which is overwritten
    profile : its ICC profile
    """
    cms, make = need("PIL.ImageCms", "images"), need("PIL.Image", "images").fromarray
    transform, channels = _transform(profile), colour.shape[-1]
    rows = max(1, _STRIP // colour.shape[1])
    for top in range(0, len(colour), rows):
        part = colour[top : top + rows]
        image = make(part if channels == 3 else part[..., 0])
        part[...] = np.asarray(cms.applyTransform(image, transform))[..., :channels]
    return colour


def _transform(profile: bytes) -> Any:
    """Return the transform to sRGB; None for a profile that LittleCMS cannot use."""
    cms = need("PIL.ImageCms", "images")
    _, mode = _SPACES[profile[16:20]]
    flags = cms.Flags.BLACKPOINTCOMPENSATION
    if mode == "L":  # a table of LittleCMS would be off by up to 10 in dark greys
        flags |= cms.Flags.NOOPTIMIZE
    try:
        own = cms.ImageCmsProfile(io.BytesIO(profile))
        return cms.buildTransform(
            own,
            cms.createProfile("sRGB"),
            mode,
            "RGB",
            cms.Intent.RELATIVE_COLORIMETRIC,
            flags,
        )
    except (cms.PyCMSError, OSError, ValueError, TypeError):
        return None
