"""Images by GDAL: of many bands, with a place on Earth, or of 16 bits in colour."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from streamkm.decoding.header import Header, Pixels, check, damage, page_name
from streamkm.decoding.pillow import keyed
from streamkm.decoding.placeless import placeless
from streamkm.errors import DamagedError
from streamkm.files.find import need
from streamkm.files.items import Item, Plane, Span
from streamkm.files.names import shown

_DTYPES = ("uint8", "uint16")
_DRIVERS = {"TIFF": "GTiff", "PNG": "PNG", "PPM": "PNM"}
# No files beside the one that is meant, which an archive of strangers may name as it likes.
_SETTINGS = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO"}


def header_of(
    item: Item, found: str, stream: BinaryIO, page: int, turned: int, most_nbytes: int | None
) -> Header:
    """What the header of a raster says.

    Parameters
    ----------
    item : the file
    found : its format, as Pillow calls it
    stream : its bytes
    page : of a TIFF
    turned : EXIF orientation
    most_nbytes : decoded bytes that one image may take
    """
    name = page_name(item, page)
    with _opened(item, found, stream, page, name) as scene:
        kinds = sorted(set(scene.dtypes))
        if len(kinds) > 1 or kinds[0] not in _DTYPES:
            raise DamagedError(
                f"{shown(name)} holds {' and '.join(kinds)}; images hold uint8 or uint16: convert "
                "it, leave it out with --skip-bad, or use streamkm ingest."
            )
        alpha = scene.count > 1 and scene.colorinterp[-1].name == "alpha"
        height, width = scene.height, scene.width
        if turned > 4:
            height, width = width, height
        metadata = {"format": found, "mode": f"{scene.count} x {kinds[0]}"} | _described(scene)
        held = max(y * x for y, x in scene.block_shapes) * np.dtype(kinds[0]).itemsize
        if kinds[0] == "uint16":
            metadata["bits"] = 16
        if turned > 1:
            metadata["orientation"] = turned
        channels = scene.count - alpha
    header = Header(
        item, page, name, height, width, channels, kinds[0], alpha, metadata, None, True
    )
    return check(header, most_nbytes, held)


def decode(header: Header, found: str, stream: BinaryIO, key: Any = None) -> Pixels:
    """The pixels, upright, bands last.

    Parameters
    ----------
    header : of the image
    found : its format, as Pillow calls it
    stream : its bytes
    key : the colour that is transparent
    """
    with _opened(header.item, found, stream, header.page, header.name) as scene:
        # The colour that a PNG makes transparent is an alpha channel of no band.
        bands = header.channels + (header.alpha and key is None)
        turned = int(header.metadata.get("orientation", 1))
        size = (scene.height, scene.width)[:: -1 if turned > 4 else 1]
        said = (header.height, header.width, bands, header.dtype)
        if (*size, scene.count, scene.dtypes[0]) != said:
            raise ValueError("its header says something else than when it was read first")
        values = upright(np.moveaxis(scene.read(), 0, -1), turned)
    colour = np.ascontiguousarray(values[..., : header.channels])
    if not header.alpha:
        return Pixels(colour, None)
    return Pixels(
        colour, np.ascontiguousarray(values[..., -1]) if key is None else keyed(colour, key)
    )


def upright(values: npt.NDArray[Any], turned: int) -> npt.NDArray[Any]:
    """An image of shape (h, w, ...) turned as its EXIF orientation says, as a view."""
    if turned > 4:
        values = values.swapaxes(0, 1)
    down = turned in (3, 4, 7, 8)
    left = turned in (2, 3, 6, 7)
    return values[:: -1 if down else 1, :: -1 if left else 1]


@contextmanager
def _opened(item: Item, found: str, stream: BinaryIO, page: int, name: str) -> Iterator[Any]:
    """The dataset, by the driver of its format alone: others follow references to other files."""
    assert not isinstance(item, Plane)
    rasterio = need("rasterio", "images of many bands, or of 16 bits in colour,")
    with ExitStack() as closing, damage(name, rasterio.errors.RasterioError):
        closing.enter_context(rasterio.Env(GDAL_CACHEMAX=64, **_SETTINGS))
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
