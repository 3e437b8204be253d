"""Zarr arrays that are given by a path or URL."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streamkm.errors import DataError
from streamkm.files.find import other_kind
from streamkm.files.near import unless_there
from streamkm.rows.kinds import is_a

_SHOWN = 20  # maximum number of array names in a message


def dimension_names(array: Any) -> tuple[str | None, ...] | None:
    """Return the dimension names of a Zarr array: the field of v3, or xarray's attribute of v2."""
    names = getattr(array.metadata, "dimension_names", None)
    names = names or array.attrs.get("_ARRAY_DIMENSIONS")
    return tuple(names) if names else None


def open_zarr(path: str | os.PathLike[str], variable: str | None) -> Any:
    """Open a Zarr array by path or URL, or the `variable` or only array of a group.

    A variable in a nested group is given by its path, 'a/b'. A local .zip file is a store, too.

    Coordinates do not count as arrays of a group: arrays with at most one dimension, and those in
    the attribute `coordinates`.

    Raises
    ------
    DataError
        If there is no such store or variable; the message lists the arrays.
    """
    import zarr  # takes a quarter of a second; not needed for data in memory

    where, node = os.fspath(path), _node(path)
    if isinstance(node, zarr.Array):
        if variable is not None:
            raise DataError(f"{where} is a single array; leave out the variable {variable!r}.")
        return _in_its_group(where, node)
    found = None if variable is None else _member(node, variable)
    if found is not None:
        return found
    arrays = dict(node.arrays())
    attributes = [node.attrs, *(array.attrs for array in arrays.values())]
    named = {name for some in attributes for name in str(some.get("coordinates", "")).split()}
    data = [array for name, array in arrays.items() if array.ndim > 1 and name not in named]
    data = data or list(arrays.values())
    if variable is None and len(data) == 1:
        return data[0]
    if not arrays or variable is not None:  # possibly in a nested group
        below = node.members(max_depth=None)
        arrays = {path: found for path, found in below if isinstance(found, zarr.Array)}
    names = sorted(arrays)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    has = "" if variable is None else f" without {variable!r}"
    if not names:
        raise DataError(f"{where} is a group{has} that holds no arrays.")
    raise DataError(
        f"{where} is a group{has}: name one of its arrays {names[:_SHOWN]}{more},",
        python="as zarr.open_group(path)['name'].",
        command="by --variable.",
    )


def open_beside(path: str | os.PathLike[str], name: str) -> Any:
    """Open the array of a name in the group at a path; None if there is none.

    Raises
    ------
    DataError
        If there is no store at the path.
    """
    return _member(_node(path), name)


def has_arrays(path: str | os.PathLike[str], names: Sequence[str]) -> bool:
    """Return whether the Zarr store at a path is a group with arrays of these names.

    Raises
    ------
    DataError
        If there is no store at the path.
    """
    node = _node(path)
    return all(_member(node, name) is not None for name in names)


def _node(path: str | os.PathLike[str]) -> Any:
    """Open the Zarr array or group at a path or URL."""
    import zarr

    where = os.fspath(path)
    try:
        packed = where.lower().endswith(".zip") and Path(where).is_file()
        node = zarr.open(zarr.storage.ZipStore(where, mode="r") if packed else where, mode="r")
    except (FileNotFoundError, ValueError, zarr.errors.NodeNotFoundError) as error:
        end = unless_there(where)
        known = other_kind(where) if end == "." else ""
        end += " For files of other kinds: streamkm ingest." if end == "." else ""
        raise DataError(
            f"{where} {known}" if known else f"{where} is not a Zarr array or group{end}"
        ) from error
    except Exception as error:  # object stores have errors of their own
        raise DataError(
            f"{where} cannot be opened ({type(error).__name__}: {error}). Check the address, "
            "the credentials and the network."
        ) from error
    if isinstance(node, zarr.Group):
        forget_listings(node)
    return node


def _member(node: Any, name: str) -> Any:
    """Return the array of a name in a group, or None."""
    import zarr

    try:
        found = node[name] if isinstance(node, zarr.Group) else None
    except (KeyError, ValueError):
        return None
    return found if isinstance(found, zarr.Array) else None


def forget_listings(group: Any) -> None:
    """Discard cached listings of a Zarr group's file system, so that members are listed again."""
    if is_a(group.store, "zarr.storage.FsspecStore"):
        group.store.fs.invalidate_cache()


def _in_its_group(where: str, array: Any) -> Any:
    """Open an array that is given by its path from its group, which has its coordinates."""
    import zarr

    parent, _, name = where.rstrip("/").rpartition("/")
    if not parent or not any(dimension_names(array) or ()):
        return array
    try:
        zarr.open_group(parent, mode="r", zarr_format=array.metadata.zarr_format)
        return zarr.open_array(parent, path=name, mode="r", zarr_format=array.metadata.zarr_format)
    except Exception:  # the parent is not a group; object stores have their own errors
        return array
