"""Reading of arrays in untrusted stores: by name, with the expected shape, dtype and codecs.

Other arrays of a group are not opened, because decoding may run code of their codecs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.rows import is_a

NUMBERS = "biuf"
TEXTS = "TU"
# Codecs that streamkm, Zarr and xarray write by default; others may run code when they decode.
_CODECS = {
    *("bytes", "transpose", "vlen-utf8", "sharding_indexed", "streamkm.codebook"),
    *("zstd", "blosc", "gzip", "crc32c"),
}


def stored(group: Any, name: str, ndim: int | tuple[int, ...], kinds: str = NUMBERS) -> Any:
    """Open an array of a group without reading it.

    Parameters
    ----------
    group : zarr.Group
    name : name of the array
    ndim : required number of dimensions, or several allowed numbers
    kinds : allowed kinds of dtype, as in `numpy.dtype.kind`

    Raises
    ------
    DataError
        If there is no such array, or it has another shape or dtype.
    """
    where = f"{group.store_path}"
    try:
        found = group[name]
    except KeyError:
        raise DataError(
            f"{where} lacks the array {name!r}, so it is incomplete: restore it from a copy, or "
            "write it again."
        ) from None
    except Exception as error:  # metadata of another version, or damaged metadata
        raise DataError(
            f"the array {name!r} of {where} cannot be opened ({type(error).__name__}: {error})."
        ) from error
    ndim_found = getattr(found, "ndim", None)
    if ndim_found not in np.atleast_1d(ndim):
        what = "a group" if ndim_found is None else f"of {ndim_found} dimensions"
        raise DataError(
            f"{name!r} of {where} is {what}, which streamkm never writes, so it is not read."
        )
    refuse_strange(found, f"{name!r} of {where}", kinds)
    return found


def attribute(node: Any, name: str) -> Any:
    """Return an attribute of an array or group.

    Raises
    ------
    DataError
        If it has no such attribute.
    """
    if name not in node.attrs:
        raise DataError(f"{node.store_path} lacks the attribute {name!r}, so it is incomplete.")
    return node.attrs[name]


def group_in(group: Any, name: str) -> Any:
    """Return a subgroup of a group, or None if there is none of that name."""
    found = group.get(name)
    return found if is_a(found, "zarr.Group") else None


def refuse_strange(array: Any, name: str, kinds: str = NUMBERS) -> None:
    """Raise an error for an array whose dtype or codecs streamkm does not write.

    Parameters
    ----------
    array : zarr.Array or AsyncArray, which is not read
    name : name for the message
    kinds : allowed kinds of dtype, as in `numpy.dtype.kind`

    Raises
    ------
    DataError
        For another dtype or codec; the message names it.
    """
    strange = {"Zarr v2"} if array.metadata.zarr_format != 3 else _codecs(array) - _CODECS
    if array.dtype.kind not in kinds:
        strange = {f"dtype {array.dtype}"}
    if strange:
        raise DataError(
            f"{name} uses {', '.join(sorted(strange))}, which streamkm never writes, so it is not "
            "read."
        )


def _codecs(array: Any) -> set[str]:
    found, left = set(), list(array.metadata.to_dict()["codecs"])
    while left:
        codec = left.pop()
        found.add(str(codec["name"]))
        within = codec.get("configuration", {})
        left += [*within.get("codecs", ()), *within.get("index_codecs", ())]
    return found


def read(group: Any, name: str, ndim: int, kinds: str = NUMBERS) -> AnyArray:
    """Read the values of an array of a group, with the checks of `stored`.

    Raises
    ------
    DataError
        If a value is the fill value that marks missing chunks (`absent`).
    """
    array = stored(group, name, ndim, kinds)
    values = np.asarray(array[...])
    fill, lost = array.fill_value, absent(values.dtype)
    if lost is not None and (fill == lost or fill != fill):
        missing = np.isnan(values) if values.dtype.kind == "f" else values == lost
        if missing.any():
            raise DataError(
                f"a chunk of {name!r} of {group.store_path} is missing: restore it from a copy, or "
                "write it again."
            )
    return values


def absent(dtype: np.dtype[Any]) -> Any:
    """Return the fill value that marks missing chunks: NaN, or the smallest integer."""
    if dtype.kind == "f":
        return np.nan
    return np.iinfo(dtype).min if dtype.kind == "i" else None
