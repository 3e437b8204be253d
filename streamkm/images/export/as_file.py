"""Images of an archive as the bytes of PNG and TIFF files."""

from __future__ import annotations

import base64
import io
from contextlib import suppress
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.files.find import need
from streamkm.images.archive.archive import Archive
from streamkm.images.export.place import place_of
from streamkm.images.export.window import Window
from streamkm.rows.formats.placeless import placeless

_INDEXED = 256  # maximum number of colours of an indexed PNG
_MOST_DPI = 2**31 * 0.0254  # inches per metre, for the resolution of a PNG


def suffix_of(archive: Archive, name: str) -> str:
    """Return the suffix of the file: a PNG has one or three colours."""
    return ".png" if archive.n_colours(name) in (1, 3) else ".tif"


def as_file(
    archive: Archive, name: str, metadata: dict[str, Any], window: Window | None = None
) -> bytes:
    """Return an image as PNG, indexed if possible, or as TIFF for bands.

    Parameters
    ----------
    archive : Archive
    name : name of the image
    metadata : its metadata in the archive
    window : the part of the image; all by default
    """
    stack, number = archive.place(name)
    arrays = archive.stacks[stack]
    region = (number, *((slice(None), slice(None)) if window is None else window.slices))
    profile = archive.profile_named(metadata.get("icc"))
    palette = archive.palette(name) if archive.has_palette(name) else None
    beside: dict[str, Any] = {"icc_profile": profile} if profile else {}
    if "exif" in metadata:
        beside["exif"] = base64.b64decode(metadata["exif"])
    dpi = tuple(metadata.get("dpi", ()))
    if dpi and all(0 < value < _MOST_DPI for value in dpi):
        beside["dpi"] = dpi
    if palette is not None and _may_be_indexed(palette):
        codes = np.asarray(arrays["codes"][region])
        alpha = np.asarray(arrays["alpha"][region]) if archive.has_alpha(name) else None
        found = indexed(codes, palette, alpha)
        if found is not None:
            return indexed_png(*found, **beside)
    pixels = np.asarray(arrays["pixels"][region])
    if suffix_of(archive, name) == ".tif":
        return _by_gdal(pixels, "GTiff", profile, place_of(metadata, window))
    if pixels.dtype.itemsize > 1 and pixels.shape[-1] > 1:
        return _by_gdal(pixels, "PNG", profile, {})
    plain = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    return _png(need("PIL.Image", "images").fromarray(plain), **beside)


def _may_be_indexed(palette: AnyArray) -> bool:
    colours, channels = palette.shape
    return channels == 3 and colours <= _INDEXED and palette.dtype == np.uint8


def indexed(
    codes: AnyArray, palette: AnyArray, alpha: AnyArray | None
) -> tuple[AnyArray, AnyArray] | None:
    """Return codes below 256 and their palette (code, 3 or 4); None if alpha needs more codes.

    A colour with several values of alpha has a code for each. If these are too many, fully
    transparent pixels share a code, because their colour is hidden.

    Parameters
    ----------
    codes : ndarray of shape (y, x)
    palette : ndarray of shape (code, 3), uint8, of at most 256 colours
    alpha : ndarray of shape (y, x), uint8, or None
    """
    if alpha is None:
        return codes, palette
    pairs = alpha.astype(np.uint16) * _INDEXED + codes
    table = np.zeros(_INDEXED**2, np.uint8)
    for line in pairs:  # NumPy converts indices to 8 bytes, here of one line only
        table[line] = 1
    used = np.flatnonzero(table)
    if len(used) > _INDEXED:
        pairs[alpha == 0] = 0
        used = np.append(0, used[used >= _INDEXED])
        if len(used) > _INDEXED:
            return None
    table[used] = np.arange(len(used))
    places = np.empty(pairs.shape, np.uint8)
    for line, out in zip(pairs, places, strict=True):
        out[...] = table[line]
    own, opacity = used % _INDEXED, used // _INDEXED
    return places, np.concatenate([palette[own], opacity[:, None]], 1).astype(np.uint8)


def indexed_png(codes: AnyArray, palette: AnyArray, **beside: Any) -> bytes:
    """Return a PNG of codes (y, x) below 256 and their palette (code, 3 or 4), uint8."""
    image = need("PIL.Image", "images").fromarray(codes.astype(np.uint8), "P")
    image.putpalette(palette[:, :3].tobytes(), "RGB")
    if palette.shape[1] == 4:
        beside["transparency"] = palette[:, 3].tobytes()
    return _png(image, **beside)


def _png(image: Any, **beside: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True, **beside)
    return out.getvalue()


def _by_gdal(pixels: AnyArray, driver: str, profile: bytes | None, place: dict[str, Any]) -> bytes:
    """Return a TIFF of bands, or a PNG of 16 bits in colour, which Pillow cannot write."""
    memory = need("rasterio.io", "images of 16 bits").MemoryFile
    height, width, count = pixels.shape
    options: dict[str, Any] = {"compress": "deflate"} if driver == "GTiff" else {}
    if profile:
        options["SOURCE_ICC_PROFILE"] = base64.b64encode(profile).decode()
    options |= _as_of_rasterio(place, np.iinfo(pixels.dtype).max) | {
        "height": height,
        "width": width,
        "count": count,
        "dtype": pixels.dtype,
    }
    with memory() as file:
        with placeless():  # not during compression, because other threads would wait
            opened = file.open(driver=driver, **options)
        with opened as out:
            out.write(np.moveaxis(pixels, -1, 0))
        return bytes(file.read())


def _as_of_rasterio(place: dict[str, Any], most: int) -> dict[str, Any]:
    """Return the place of a raster as rasterio takes it, without what it does not take."""
    rasterio = need("rasterio", "GeoTIFF files")
    found: dict[str, Any] = {}
    if "transform" in place:
        found["transform"] = rasterio.Affine(*place["transform"])
    if 0 <= place.get("nodata", -1) <= most:
        found["nodata"] = place["nodata"]
    if "crs" in place:
        with suppress(rasterio.errors.CRSError):
            found["crs"] = rasterio.CRS.from_wkt(place["crs"])
    return found
