"""Names of the dimensions of stored arrays."""

from __future__ import annotations

from typing import Any

from streamkm.rows.formats.base import FileArray
from streamkm.rows.ome_images import axes_of


def dimension_names(array: Any) -> tuple[str | None, ...] | None:
    """Return the dimension names of a Zarr array: the field of v3, or xarray's attribute of v2.

    An array of an OME-Zarr image without such names has those of the axes of the image. An array in
    another file has its own names.
    """
    if isinstance(array, FileArray):
        return array.dims
    names = getattr(array.metadata, "dimension_names", None)
    names = names or array.attrs.get("_ARRAY_DIMENSIONS") or axes_of(array)
    return tuple(names) if names else None
