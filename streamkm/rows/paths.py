"""Zarr arrays that are given by a path or URL."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import BadZipFile, ZipFile

from streamkm.errors import DataError, StreamkmError
from streamkm.files.find import ZARR, File, file_system, other_kind
from streamkm.files.near import unless_there
from streamkm.rows.checked import checked_sizes
from streamkm.rows.choosing import chosen
from streamkm.rows.damaged import RESTORE
from streamkm.rows.dimensions import dimension_names
from streamkm.rows.kinds import is_a
from streamkm.rows.lost import refuse_unwritten
from streamkm.rows.ome_images import images_in

_MOST_GROUPS = 1000  # that are searched for arrays


def open_zarr(path: str | os.PathLike[str], variable: str | None) -> Any:
    """Open a Zarr array by path or URL, or the `variable` or only array of a group.

    A variable in a nested group is given by its path, 'a/b'. A .zip file is a store, too.

    Coordinates do not count as arrays of a group: arrays with at most one dimension, and those in
    the attribute `coordinates`. Of an OME-Zarr image, which may be the variable, the array is that
    of the full resolution.

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
        return _checked(_in_its_group(where, node))
    found = None if variable is None else _member(node, variable)
    if found is not None:
        return _checked(found)

    images = _images(node, variable)
    if len(images) == 1 and variable is not None:
        return checked_sizes(next(iter(images.values())))
    if images and variable is None:
        words = "collection of images, here in full resolution"
        return _checked(chosen(where, images, None, lambda: images, words))
    coordinates = str(node.attrs.get("coordinates", ""))
    found = chosen(
        where, dict(node.arrays()), variable, lambda: _below(node), coordinates=coordinates
    )
    return _checked(found)


def _checked(array: Any) -> Any:
    """Return an array of which something is stored, with checks of the sizes of its chunks."""
    refuse_unwritten(array)
    return checked_sizes(array)


def _below(group: Any) -> dict[str, Any]:
    """Return arrays in a group at any depth, not more than so many, as links may form a loop."""
    found: dict[str, Any] = {}
    left = [("", group)]
    for count in range(_MOST_GROUPS):
        if count >= len(left):
            break
        prefix, node = left[count]
        found |= {f"{prefix}{name}": each for name, each in node.arrays()}
        left += [(f"{prefix}{name}/", each) for name, each in node.groups()]
    return found


def find_zarr(path: str | os.PathLike[str], name: str) -> Any:
    """Return the array of a name in the Zarr group at a path; None if there is none.

    Raises
    ------
    DataError
        If there is no store at the path.
    """
    found = _member(_node(path), name)
    return None if found is None else checked_sizes(found)


def _node(path: str | os.PathLike[str]) -> Any:
    """Open the Zarr array or group at a path or URL."""
    import zarr

    from streamkm.rows.guarded import store_at  # imports Zarr

    where = os.fspath(path)
    try:
        store, inner = _store_of(where)
        node = zarr.open(store_at(store) if isinstance(store, str) else store, path=inner, mode="r")
    except (FileNotFoundError, BadZipFile, zarr.errors.NodeNotFoundError) as error:
        raise _absent(where) from error
    except StreamkmError:
        raise
    except Exception as error:  # object stores have errors of their own
        if isinstance(error, ValueError) and not any(
            os.path.lexists(os.path.join(where, name)) for name in ZARR
        ):
            raise _absent(where) from error
        reason = f"{type(error).__name__}: {error}".rstrip(": ")
        fix = (
            "Check the address, the credentials and the network."
            if "://" in where
            else f"If its codecs are installed, it is damaged: {RESTORE}."
        )
        raise DataError(f"{where} cannot be opened ({reason}). {fix}") from error
    if isinstance(node, zarr.Group):
        forget_listings(node)
    return node


def _store_of(where: str) -> tuple[Any, str | None]:
    """Return the store at a path or URL, and the path of its root.

    A .zip file may hold the files of a store, or the folder of one.
    """
    if not where.lower().endswith(".zip") or "::" in where:
        return where, None
    from fsspec.core import url_to_fs
    from zarr.storage import ZipStore

    fs, path = url_to_fs(where)
    if not File.from_info(fs, path, {}).local:
        return f"zip::{where}", None
    if not Path(path).is_file():
        return where, None
    with ZipFile(path) as opened:
        found = [PurePosixPath(name) for name in opened.namelist()]
    roots = sorted({name.parent for name in found if name.name in ZARR}, key=lambda p: len(p.parts))
    return ZipStore(path, mode="r"), str(roots[0]) if roots and roots[0].name else None


def _images(node: Any, variable: str | None) -> dict[str, Any]:
    """Return the images in a group, or in its group of the name of a variable."""
    import zarr

    try:
        inner = node if variable is None else node[variable]
    except (KeyError, ValueError):
        return {}
    return images_in(inner) if isinstance(inner, zarr.Group) else {}


def _absent(where: str) -> DataError:
    if "://" in where:
        file_system(where)  # refuses unknown protocols
    end = unless_there(where)
    if end != ".":
        return DataError(f"{where}{end}")
    known = other_kind(where) or (
        "is not a Zarr array or group. For files of other kinds: streamkm ingest."
    )
    return DataError(f"{where} {known}")


def _member(node: Any, name: str) -> Any:
    """Return the array of a name in a group, or None."""
    import zarr

    try:
        found = node[name] if isinstance(node, zarr.Group) else None
    except (KeyError, ValueError):
        return None
    return found if isinstance(found, zarr.Array) else None


def arrays_of_group(array: Any) -> list[str]:
    """Return the names of the other arrays in the group of a Zarr array."""
    import zarr  # already imported by the caller

    parent, _, own = array.path.rpartition("/")
    if not array.path:
        return []
    group = zarr.open_group(
        array.store, path=parent, mode="r", zarr_format=array.metadata.zarr_format
    )
    return sorted(name for name in group.array_keys() if name != own)


def forget_listings(group: Any) -> None:
    """Discard cached listings of a Zarr group's file system, so that members are listed again."""
    if is_a(group.store, "zarr.storage.FsspecStore"):
        group.store.fs.invalidate_cache()


def _in_its_group(where: str, array: Any) -> Any:
    """Open an array that is given by its path from its group, which has its coordinates."""
    import zarr

    from streamkm.rows.guarded import store_at

    parent, _, name = where.rstrip("/").rpartition("/")
    if not parent or not any(dimension_names(array) or ()):
        return array
    try:
        there, own = store_at(parent), array.metadata.zarr_format
        zarr.open_group(there, mode="r", zarr_format=own)
        return zarr.open_array(there, path=name, mode="r", zarr_format=own)
    except Exception:  # the parent is not a group; object stores have their own errors
        return array
