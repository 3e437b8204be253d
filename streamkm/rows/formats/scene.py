"""Metadata of the bands and the grid of a raster, and the comparison of scenes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.files.find import File
from streamkm.rows.matching import reordering


class Coordinate(NamedTuple):
    """An array beside the data: a coordinate, or a grid mapping."""

    dims: tuple[str, ...]
    values: AnyArray
    attributes: dict[str, Any]


_AS_IMAGES = "streamkm ingest --kind images and compress decode them"
_COLOURLESS = {"gray", "undefined", "palette"}


def bands_of(scene: Any) -> tuple[list[int], list[int]]:
    """Return the numbers of the value bands and of the alpha bands."""
    kinds = [(number, kind.name) for number, kind in enumerate(scene.colorinterp, 1)]
    alphas = [number for number, kind in kinds if kind == "alpha"]
    return [number for number, _ in kinds if number not in alphas] or alphas, alphas


def nodata_of(scene: Any) -> float | int | None:
    """Return the nodata value if all bands have one and the dtype can represent it."""
    value = scene.nodata
    if value is None or len(set(map(str, scene.nodatavals))) > 1:
        return None
    dtype = np.result_type(*map(np.dtype, scene.dtypes))
    if dtype.kind in "iu":
        whole = float(value).is_integer() and np.iinfo(dtype).min <= value <= np.iinfo(dtype).max
        return int(value) if whole else None
    return float(value)


def is_masked(scene: Any, bands: Sequence[int]) -> bool:
    """Return whether missing pixels are not marked by an integer nodata value alone."""
    flags = {flag.name for band in bands for flag in scene.mask_flag_enums[band - 1]}
    floats = any(np.dtype(dtype).kind == "f" for dtype in scene.dtypes)
    by_value = flags == {"nodata"} and nodata_of(scene) is not None and not floats
    alpha = "alpha" in {kind.name for kind in scene.colorinterp} and scene.count > 1
    return alpha or not (flags == {"all_valid"} or by_value)


def lost_of(scene: Any) -> list[str]:
    """Return properties of a raster that are not applied to its numbers, one clause each."""
    inverted = scene.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES"
    clauses = {
        "the values are indices of a table of colours": _has_colours(scene),
        "0 means white, and the values are as stored": inverted,
    }
    return [f"{clause}; {_AS_IMAGES}" for clause, holds in clauses.items() if holds]


def _has_colours(scene: Any) -> bool:
    """Return whether a raster has a table of colours, other than black and white."""
    kinds = {kind.name for kind in scene.colorinterp}
    return "palette" in kinds and len(scene.colormap(1)) > 2


class Scene:
    """Properties by which the scenes of a stack are compared.

    Parameters
    ----------
    file : file of the scene
    scene : open dataset of rasterio

    Attributes
    ----------
    bands : numbers of the bands, in the order of the features
    packing : scale and offset of each band
    """

    def __init__(self, file: File, scene: Any) -> None:
        self.path = file.path
        self.bands, alphas = bands_of(scene)
        self.grid = {
            "number of bands": scene.count,
            "alpha bands": alphas,
            "size": (scene.height, scene.width),
            "dtype": scene.dtypes[0] if len(set(scene.dtypes)) == 1 else scene.dtypes,
            "CRS": scene.crs.to_string() if scene.crs else None,
            "transform": tuple(scene.transform)[:6],
        }
        self._descriptions = [scene.descriptions[band - 1] or "" for band in self.bands]
        self._units = [scene.units[band - 1] or "" for band in self.bands]
        self._nodata = [scene.nodatavals[band - 1] for band in self.bands]
        colours = [scene.colorinterp[band - 1].name for band in self.bands]
        self._colours = [] if _COLOURLESS & set(colours) else colours
        scales = [scene.scales[band - 1] for band in self.bands]
        offsets = [scene.offsets[band - 1] for band in self.bands]
        self.packing = list(zip(scales, offsets, strict=True))

    def matched(self, first: Scene) -> Scene:
        """Return this scene with its bands in the order of the first scene.

        Raises
        ------
        DataError
            If the grid or the meaning of a band differs.
        """
        self._check(first.grid, self.grid, first)
        order = self._order(first)
        if order is not None:
            for name in ("bands", "packing", "_descriptions", "_units", "_nodata"):
                values = getattr(self, name)
                setattr(self, name, [values[place] for place in order])
        for name in ("descriptions", "units"):
            pairs = zip(getattr(self, f"_{name}"), getattr(first, f"_{name}"), strict=True)
            unlike = [(own, other) for own, other in pairs if own != other and own and other]
            if unlike:
                raise self._bands_error(first, f"{unlike[0][0]!r}, not {unlike[0][1]!r}", name)
        # As texts, because NaN is not equal to NaN.
        nodata = [None if s._nodata[0] is None else str(s._nodata[0]) for s in (first, self)]
        self._check({"nodata value": nodata[0]}, {"nodata value": nodata[1]}, first)
        return self

    def _check(self, want: dict[str, Any], own: dict[str, Any], first: Scene) -> None:
        unlike = [name for name, value in want.items() if own[name] != value]
        if unlike:
            raise DataError(
                f"{self.path} has another {unlike[0]} ({own[unlike[0]]}) than {first.path} "
                f"({want[unlike[0]]}); all scenes of a stack need the same grid."
            )

    def _order(self, first: Scene) -> tuple[int, ...] | None:
        """Return the positions of the first scene's bands; None if bands match by position."""
        by = (
            "descriptions"
            if any(first._descriptions) and any(self._descriptions)
            else "colorinterp"
        )
        named = by == "descriptions"
        own, want = ((s._descriptions if named else s._colours) for s in (self, first))
        if own == want or not own or not want or not all((*own, *want)):
            return None
        try:
            return reordering(tuple(own), tuple(want), (self.path, first.path))
        except DataError as error:
            raise self._bands_error(first, f"{own}, not {want}", by) from error

    def _bands_error(self, first: Scene, what: str, name: str) -> DataError:
        return DataError(
            f"{self.path} has bands {what} as in {first.path}, so the scenes cannot be "
            f"stacked. Correct the {name} with rasterio in the mode r+, or ingest the "
            "scenes separately."
        )


def described(scene: Any, bands: Sequence[int]) -> tuple[dict[str, Coordinate], dict[str, Any]]:
    """Return coordinates, grid mapping, and the attributes of the bands."""
    at = scene.transform
    beside = {"band": Coordinate(("band",), np.array(bands), {})}
    attributes: dict[str, Any] = {}
    if at.b == at.d == 0:  # otherwise y and x are not axes of the grid
        x = at.c + at.a * (np.arange(scene.width) + 0.5)
        y = at.f + at.e * (np.arange(scene.height) + 0.5)
        beside |= {"y": Coordinate(("y",), y, {}), "x": Coordinate(("x",), x, {})}
    if scene.crs or not at.is_identity:
        grid = {"GeoTransform": " ".join(map(repr, map(float, at.to_gdal())))}
        if scene.crs:
            wkt = scene.crs.to_wkt()
            grid |= {"crs_wkt": wkt, "spatial_ref": wkt}
        beside["spatial_ref"] = Coordinate((), np.array(0), grid)
        attributes |= {"grid_mapping": "spatial_ref", "coordinates": "spatial_ref"}
    nodata = nodata_of(scene)
    if nodata is not None:
        attributes["_FillValue"] = nodata
    if any(scene.descriptions):  # one for every band, because names are looked up by band number
        attributes["long_name"] = [name or "" for name in scene.descriptions]
    return beside, attributes


def packed(scenes: Sequence[Scene]) -> tuple[dict[str, Coordinate], dict[str, Any]]:
    """Return scales and offsets as attributes if all are equal, else as coordinates.

    CF has one scale for an array. xarray multiplies by coordinates along their dimensions.
    """
    table = np.array([scene.packing for scene in scenes], np.float64)  # (scene, band, 2)
    if (table == table[0, 0]).all():
        scale, offset = table[0, 0].tolist()
        plain = (scale, offset) == (1, 0)
        return {}, {} if plain else {"scale_factor": scale, "add_offset": offset}
    dims: tuple[str, ...] = ("scene", "band")
    if (table == table[:1]).all():
        dims, table = ("band",), table[0]
    elif (table == table[:, :1]).all():
        dims, table = ("scene",), table[:, 0]
    names = ("scale_factor", "add_offset")
    return {name: Coordinate(dims, table[..., i], {}) for i, name in enumerate(names)}, {}
