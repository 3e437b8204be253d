"""Place and nodata value of a raster, for the files of its image."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from streamkm.files.find import need
from streamkm.images.export.window import Window

_BANDS = {0: 1, 2: 3, 3: 1, 4: 1, 6: 3}  # bands without alpha, by the colour type of a PNG
_COLOUR_TYPE, _INDEXED = 25, 3  # its position in a PNG, and that of a PNG with a palette


def place_of(metadata: Mapping[str, Any], window: Window | None) -> dict[str, Any]:
    """Return the `crs`, `transform` (a to f) and `nodata` that an archive has of an image.

    Parameters
    ----------
    metadata : metadata of the image in the archive
    window : the part of the image, whose first pixel has another position; all by default
    """
    found: dict[str, Any] = {}
    if isinstance(metadata.get("crs"), str):
        found["crs"] = metadata["crs"]
    if (at := _numbers(metadata.get("transform"))) and len(at) == 6:
        a, b, c, d, e, f = at
        x, y = (0, 0) if window is None else window[:2]
        found["transform"] = (a, b, c + a * x + b * y, d, e, f + d * x + e * y)
    if nodata := _numbers([metadata.get("nodata")]):
        found["nodata"] = nodata[0]
    return found


def beside_png(png: bytes, metadata: Mapping[str, Any], window: Window | None) -> str | None:
    """Return the text of the file `.aux.xml` in which GDAL finds the place of a PNG, or None.

    The nodata value of an indexed PNG is the number of a colour, if all its values are nodata.
    """
    place = place_of(metadata, window)
    parts = [f"<SRS>{escape(place['crs'])}</SRS>"] if "crs" in place else []
    if "transform" in place:
        a, b, c, d, e, f = place["transform"]
        numbers = ", ".join(map(repr, (c, a, b, f, d, e)))
        parts.append(f"<GeoTransform>{numbers}</GeoTransform>")
    nodata, kind = place.get("nodata"), png[_COLOUR_TYPE]
    if nodata is not None and kind == _INDEXED:
        nodata = _code_of(png, nodata)
    if nodata is not None:
        value = f"<NoDataValue>{nodata!r}</NoDataValue>"
        bands = range(1, _BANDS[kind] + 1)
        parts += [f'<PAMRasterBand band="{band}">{value}</PAMRasterBand>' for band in bands]
    return f"<PAMDataset>{''.join(parts)}</PAMDataset>\n" if parts else None


def _code_of(png: bytes, nodata: float) -> float | None:
    """Return the number of the colour of an indexed PNG whose values are all nodata."""
    palette = need("PIL.Image", "images").open(io.BytesIO(png)).getpalette()
    colours = [tuple(palette[at : at + 3]) for at in range(0, len(palette), 3)]
    return float(colours.index((nodata,) * 3)) if (nodata,) * 3 in colours else None


def _numbers(values: Any) -> list[float]:
    """Return finite numbers as floats; none if one is something else."""
    some = values if isinstance(values, list) else []
    good = all(isinstance(v, (int, float)) and math.isfinite(v) for v in some)
    return list(map(float, some)) if good else []
