"""Arrays of stores that anyone may have made: read by name, and only where they are what is meant.

No other array of a group is opened, because to decode one may run code of its codec.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.rows import is_a

NUMBERS = "biuf"
TEXTS = "TU"
# All that streamkm, Zarr and xarray write by default; others may run code when they decode.
_CODECS = {
    *("bytes", "transpose", "vlen-utf8", "sharding_indexed", "streamkm.codebook"),
    *("zstd", "blosc", "gzip", "crc32c"),
}


def stored(group: Any, name: str, ndim: int | tuple[int, ...], kinds: str = NUMBERS) -> Any:
    """An array of a group, unread.

    Parameters
    ----------
    group : zarr.Group
    name : of the array in it
    ndim : number of dimensions that it must have, or several that it may have
    kinds : of its dtype, as in `numpy.dtype.kind`

    Raises
    ------
    DataError
        When there is no such array, or it is of another kind.
    """
    where = f"{group.store_path}"
    try:
        found = group[name]
    except KeyError:
        raise DataError(
            f"{where} lacks the array {name!r}, so it is not whole: restore it from a copy, or "
            "write it again."
        ) from None
    except Exception as error:  # metadata of another version, or damaged
        raise DataError(
            f"the array {name!r} of {where} cannot be opened ({type(error).__name__}: {error})."
        ) from error
    ndim_found = getattr(found, "ndim", None)
    if ndim_found not in np.atleast_1d(ndim):
        what = "a group" if ndim_found is None else f"of {ndim_found} dimensions"
        raise DataError(f"{name!r} of {where} is {what}, which streamkm did not write; not read.")
    refuse_strange(found, f"{name!r} of {where}", kinds)
    return found


def attribute(node: Any, name: str) -> Any:
    """An attribute of an array or group.

    Raises
    ------
    DataError
        When it has none of that name.
    """
    if name not in node.attrs:
        raise DataError(f"{node.store_path} lacks the attribute {name!r}, so it is not whole.")
    return node.attrs[name]


def group_in(group: Any, name: str) -> Any:
    """A group within a group; None where there is none of that name, or something else."""
    found = group.get(name)
    return found if is_a(found, "zarr.Group") else None


def refuse_strange(array: Any, name: str, kinds: str = NUMBERS) -> None:
    """Refuse an array whose dtype or codecs are not those that streamkm writes.

    Parameters
    ----------
    array : zarr.Array or AsyncArray, of which nothing is read
    name : for the message
    kinds : of its dtype, as in `numpy.dtype.kind`

    Raises
    ------
    DataError
        Naming what is strange.
    """
    strange = {"Zarr v2"} if array.metadata.zarr_format != 3 else _codecs(array) - _CODECS
    if array.dtype.kind not in kinds:
        strange = {f"dtype {array.dtype}"}
    if strange:
        raise DataError(
            f"{name} is of {', '.join(sorted(strange))}, which streamkm did not write; not read."
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
    """The values of an array of a group, as by `stored`.

    Raises
    ------
    DataError
        When a value is that of a chunk which is missing, where no other has it (`absent`).
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
    """The value of a chunk that is missing, which no other value is: NaN, or the least integer."""
    if dtype.kind == "f":
        return np.nan
    return np.iinfo(dtype).min if dtype.kind == "i" else None
