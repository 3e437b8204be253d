"""Images read by GDAL: many bands, a georeference, or 16 bits in colour."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.decoding.header import DTYPES, Header, Pixels, check, page_name
from streamkm.decoding.pillow import keyed
from streamkm.decoding.png import png_of
from streamkm.decoding.samples import Samples, pixels_of
from streamkm.decoding.tiff import Page, icc_name, samples_at
from streamkm.errors import DamagedError
from streamkm.files.damage import damage
from streamkm.files.find import need
from streamkm.files.items import Item, Plane, Span
from streamkm.files.names import shown
from streamkm.rows.formats.placeless import placeless
from streamkm.rows.formats.scenes import GDAL_CACHE

_DRIVERS = {"TIFF": "GTiff", "PNG": "PNG", "JPEG2000": "JP2OpenJPEG"}
_UNREAD = {
    **{4: "a mask", 8: "CIE L*a*b* colour", 9: "ICC L*a*b* colour", 10: "ITU L*a*b* colour"},
    **{32803: "the raw mosaic of a camera", 34892: "raw light of a camera"},
    **{32844: "CIE Log2(L) light", 32845: "CIE Log2(L) colour"},
}
# No sidecar files, because an untrusted archive may contain files of any name.
_SETTINGS = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO"}


def header_of(item: Item, stream: BinaryIO, page: Page, most_nbytes: int | None) -> Header:
    """Read the header of a page of a TIFF.

    Parameters
    ----------
    item : the file
    stream : bytes of the file
    page : the page
    most_nbytes : maximum decoded bytes of an image
    """
    name = page_name(item, page.number)
    with _opened(item, "TIFF", stream, page.number, name) as scene:
        return _header(item, name, "TIFF", scene, page, most_nbytes)


def jp2_header_of(item: Item, stream: BinaryIO, most_nbytes: int | None) -> Header:
    """Read the header of a JPEG 2000 file, of which Pillow would reduce more than 8 bits to 8."""
    with _opened(item, "JPEG2000", stream, 1, item.name) as scene:
        profile = scene.tags(ns="COLOR_PROFILE").get("SOURCE_ICC_PROFILE")
        icc = base64.b64decode(profile) if profile else None
        page = Page(1, 0, True, 1, icc, {}, _of_jp2(scene))
        header = _header(item, item.name, "JPEG2000", scene, page, most_nbytes)
    metadata = header.metadata | ({"icc": icc_name(icc)} if icc else {})
    return replace(header, icc=icc, metadata=metadata)


def _header(
    item: Item, name: str, found: str, scene: Any, page: Page, most_nbytes: int | None
) -> Header:
    """Return the header of an open image."""
    kinds, turned = sorted(set(scene.dtypes)), page.orientation
    if len(kinds) > 1 or kinds[0] not in DTYPES:
        raise DamagedError(
            f"{shown(name)} has dtype {' and '.join(kinds)}; images need uint8 or uint16: "
            "convert it or use streamkm ingest"
        )
    samples = _as_read(scene, page.samples, name) if found == "TIFF" else page.samples
    if not samples.fits(scene.count):
        raise ValueError(f"it has {scene.count} samples per pixel, which contradicts its tags")
    height, width = scene.height, scene.width
    if turned > 4:
        height, width = width, height
    metadata = {"format": found, "mode": f"{scene.count} x {kinds[0]}"} | _described(scene)
    if not samples.as_stored:
        metadata.pop("nodata", None)  # a value of samples, not of pixels
    held = max(y * x for y, x in scene.block_shapes) * np.dtype(kinds[0]).itemsize
    channels = samples.channels(scene.count)
    if kinds[0] == "uint16":
        metadata["bits"] = 16
    if turned > 1:
        metadata["orientation"] = turned
    size, dtype = (height, width), samples.dtype if samples.kind != "bands" else kinds[0]
    alpha, number = samples.alpha or page.masked, page.number
    header = Header(
        item, number, name, *size, channels, dtype, alpha, metadata, None, True, page.at
    )
    return check(header, most_nbytes, held)


def decode(header: Header, found: str, stream: BinaryIO) -> Pixels:
    """Decode the pixels, upright, with bands last.

    Parameters
    ----------
    header : header of the image
    found : format of the file by Pillow's name
    stream : bytes of the file
    """
    key = png_of(stream).key if found == "PNG" else None
    with _opened(header.item, found, stream, header.page, header.name) as scene:
        if found == "TIFF":
            samples = _as_read(scene, samples_at(stream, header.at), header.name)
        elif found == "JPEG2000":
            samples = _of_jp2(scene)
        else:  # the transparent colour of a PNG is not a band
            kind = "grey" if header.channels == 1 else "rgb"
            samples = Samples(kind, 16, header.alpha and key is None)
        turned = int(header.metadata.get("orientation", 1))
        size = (scene.height, scene.width)[:: -1 if turned > 4 else 1]
        declared = (header.height, header.width, header.channels)
        if (*size, samples.channels(scene.count)) != declared or not samples.fits(scene.count):
            raise ValueError("the header has changed since it was first read")
        masked = found == "TIFF" and header.alpha and not samples.alpha
        hidden = upright(scene.dataset_mask() == 0, turned) if masked else None
        values = upright(np.moveaxis(scene.read(), 0, -1), turned)
    if samples.converted:
        values = values[..., :3]
    colour, alpha = pixels_of(values, samples)
    if hidden is not None:
        alpha = np.full(hidden.shape, np.iinfo(colour.dtype).max, colour.dtype)
        alpha[hidden] = 0
    return Pixels(colour, alpha if key is None else keyed(colour, key))


def _of_jp2(scene: Any) -> Samples:
    """Return the meaning of the samples of a JPEG 2000 file."""
    kinds = [kind.name for kind in scene.colorinterp]
    alpha = len(kinds) > 1 and kinds[-1] == "alpha"
    kind = {1: "grey", 3: "rgb"}.get(scene.count - alpha, "bands")
    depths = (scene.tags(n, ns="IMAGE_STRUCTURE").get("NBITS") for n in scene.indexes)
    bits = max(int(depth or 8 * np.dtype(scene.dtypes[0]).itemsize) for depth in depths)
    if kinds == ["palette"]:
        table = scene.colormap(1)
        colours = np.array([table[index][:3] for index in sorted(table)], np.uint16)
        return Samples("palette", 8, colours=colours)
    return Samples(kind, bits, alpha)


def _as_read(scene: Any, samples: Samples, name: str) -> Samples:
    """Return the meaning of GDAL's samples; GDAL converts some colour models to RGB."""
    source = scene.tags(ns="IMAGE_STRUCTURE").get("SOURCE_COLOR_SPACE")
    unread = None
    if source and samples.alpha:  # lost if GDAL converts the colours
        unread = f"{source} with alpha"
    elif not source and samples.kind.isdigit():
        unread = _UNREAD.get(int(samples.kind), f"photometric interpretation {samples.kind}")
    if unread:
        raise DamagedError(
            f"{shown(name)} holds {unread} of {samples.bits} bits, which is not supported: convert "
            "it to RGB or use streamkm ingest"
        )
    if source:
        return Samples("rgb", 8, converted=True)
    return samples


def upright(values: AnyArray, turned: int) -> AnyArray:
    """Turn an image of shape (h, w, ...) by its EXIF orientation, as a view."""
    if turned > 4:
        values = values.swapaxes(0, 1)
    down = turned in (3, 4, 7, 8)
    left = turned in (2, 3, 6, 7)
    return values[:: -1 if down else 1, :: -1 if left else 1]


@contextmanager
def _opened(item: Item, found: str, stream: BinaryIO, page: int, name: str) -> Iterator[Any]:
    """Open a dataset with the driver of its format only; others follow references to files."""
    assert not isinstance(item, Plane)
    rasterio = need("rasterio", "images of many bands, or of 16 bits in colour,")
    with ExitStack() as closing, damage(name, rasterio.errors.RasterioError):
        closing.enter_context(rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE, **_SETTINGS))
        path, opener = item.local_path, {}
        if isinstance(item, Span) and item.far and page == 1:
            path, opener = item.file.path, {"opener": item.file.fs}
        elif path is None:
            stream.seek(0)
            path = closing.enter_context(rasterio.MemoryFile(stream.read())).name
        if page > 1:
            path = f"GTIFF_DIR:{page}:{path}"
        with placeless():
            scene = rasterio.open(path, driver=_DRIVERS[found], **opener)
        yield closing.enter_context(scene)


def _described(scene: Any) -> dict[str, Any]:
    about: dict[str, Any] = {}
    if scene.crs:
        about["crs"] = scene.crs.to_wkt()
    if not scene.transform.is_identity:
        about["transform"] = [float(value) for value in scene.transform[:6]]
    if scene.nodata is not None:
        about["nodata"] = float(scene.nodata)
    if any(scene.descriptions):
        about["bands"] = [name or "" for name in scene.descriptions]
    return about
