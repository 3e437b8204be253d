"""Reading of untrusted stores: arrays by name, with the expected shape, dtype, codecs and digest.

Other arrays of a group are not opened, because decoding may run code of their codecs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError, NotAModelError
from streamkm.files.near import unless_there
from streamkm.outputs.refusing import (
    NUMBERS,
    attribute,
    refuse_large,
    refuse_strange,
)
from streamkm.outputs.sealing import Digests, absent, digests_of, refuse_changed
from streamkm.rows import RESTORE, checked_sizes, damage, is_a, lacks_chunks

_SMALL = 2**26  # bytes that are allocated for an array of which nothing may be stored


class StoredGroup:
    """A group of a store that is not trusted: its arrays and attributes are checked when read.

    Parameters
    ----------
    group : zarr.Group
    digests : digests of the store, as `digests_of` returns them
    """

    def __init__(self, group: Any, digests: Digests | None = None) -> None:
        self.group = group
        self.digests: Digests = digests_of(group) if digests is None else digests

    def __contains__(self, name: str) -> bool:
        if self._path(name) in self.digests:
            return True
        with damage(f"{name!r} of {self.where}"):
            return name in self.group

    @property
    def where(self) -> str:
        """Path or URL of the group."""
        return str(self.group.store_path)

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes of the group."""
        return dict(self.group.attrs)

    def group_in(self, name: str) -> StoredGroup | None:
        """Return a subgroup, or None if there is none of that name."""
        with damage(f"{name!r} of {self.where}"):
            found = self.group.get(name)
        if not is_a(found, "zarr.Group"):
            return None if name not in self else self._lacks("group", name)
        refuse_changed(self.digests, found)
        return StoredGroup(found, self.digests)

    def attribute(self, name: str, kind: type | tuple[type, ...] = object) -> Any:
        """Return an attribute.

        Raises
        ------
        DataError
            If there is no such attribute, or it is not of the kind.
        """
        return attribute(self.group, name, kind)

    def stored(self, name: str, ndim: int | tuple[int, ...], kinds: str = NUMBERS) -> Any:
        """Open an array without reading it.

        Parameters
        ----------
        name : name of the array
        ndim : required number of dimensions, or several allowed numbers
        kinds : allowed kinds of dtype, as in `numpy.dtype.kind`

        Raises
        ------
        DataError
            If there is no such array, it has another shape or dtype, or its metadata are not those
            that were written.
        """
        try:
            with damage(f"{name!r} of {self.where}", KeyError):
                found = self.group[name]
        except KeyError:
            return self._lacks("array", name)
        ndim_found = getattr(found, "ndim", None)
        if ndim_found not in np.atleast_1d(ndim):
            what = "a group" if ndim_found is None else f"of {ndim_found} dimensions"
            raise DataError(
                f"{name!r} of {self.where} is {what}, which streamkm never writes, so it is not "
                "read."
            )
        refuse_strange(found, f"{name!r} of {self.where}", kinds)
        refuse_changed(self.digests, found)
        return checked_sizes(found)

    def read(
        self, name: str, ndim: int, kinds: str = NUMBERS, shape: Sequence[int | None] | None = None
    ) -> AnyArray:
        """Read the values of an array, with the checks of `stored`.

        Parameters
        ----------
        name, ndim, kinds : as for `stored`
        shape : required extents, None for any; None for any shape

        Raises
        ------
        DataError
            If the shape is another, a chunk is missing, or the values are not those that were
            written.
        """
        array = self.stored(name, ndim, kinds)
        wanted = array.shape if shape is None else shape
        if any(n not in (None, own) for n, own in zip(wanted, array.shape, strict=True)):
            raise DataError(
                f"{name!r} of {self.where} has shape {array.shape}, which does not belong to the "
                f"other arrays: {RESTORE}."
            )
        is_digested = "values" in self.digests.get(self._path(name), {})
        fill, lost = array.fill_value, absent(array.dtype)
        is_marked = lost is not None and (fill == lost or fill != fill)
        nbytes = refuse_large(array, f"{name!r} of {self.where}")
        # Versions without digests did not store chunks that hold only the fill value.
        if (is_digested or is_marked or nbytes > _SMALL) and lacks_chunks(array):
            self._lost(name)
        with damage(f"{name!r} of {self.where}"):
            values = np.asarray(array[...])
        refuse_changed(self.digests, array, values)
        if is_marked and not is_digested:
            missing = np.isnan(values) if values.dtype.kind == "f" else values == lost
            if missing.any():
                self._lost(name)
        return values

    def _path(self, name: str) -> str:
        return f"{self.group.path}/{name}".lstrip("/")

    def _lost(self, name: str) -> NoReturn:
        raise DataError(f"a chunk of {name!r} of {self.where} is missing: {RESTORE}.")

    def _lacks(self, kind: str, name: str) -> NoReturn:
        raise DataError(f"{self.where} lacks the {kind} {name!r}, so it is incomplete: {RESTORE}.")


def open_stored(path: str | os.PathLike[str], kind: str, what: str, newest: int) -> StoredGroup:
    """Open a Zarr group that streamkm wrote.

    Parameters
    ----------
    path : str or path-like
        Path or URL of the group.
    kind : its attribute `kind`
    what : name of the kind for messages, such as 'a streamkm model'
    newest : newest format that is read, from 1 on; 0 for a kind without formats

    Raises
    ------
    NotAModelError
        If there is no group of this kind.
    DataError
        If its metadata are damaged, or its format is unknown.
    """
    import zarr  # takes a quarter of a second; not needed for a fit in memory

    from streamkm.rows.guarded import store_at  # imports Zarr

    missing = (FileNotFoundError, NotADirectoryError, zarr.errors.NodeNotFoundError)
    with damage(str(path)):
        try:
            group = zarr.open_group(store_at(path), mode="r")
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise
        except (*missing, ValueError, TypeError) as error:
            raise NotAModelError(f"{path} is not {what}{unless_there(path)}") from error
        found = StoredGroup(group)
        known = group.attrs.get("kind")
        if known != kind:
            if not str(known).startswith("streamkm "):
                refuse_changed(found.digests, group)
            raise NotAModelError(f"{path} is a Zarr group, but not {what}.")
        _refuse_format(found, newest)
        refuse_changed(found.digests, group)
    return found


def _refuse_format(group: StoredGroup, newest: int) -> None:
    if not newest:
        return
    found = group.attribute("format")
    if type(found) is not int or not 1 <= found <= newest:
        span = "1" if newest == 1 else f"1 to {newest}"
        raise DataError(
            f"{group.where} has format {found!r}; this version of streamkm reads {span}."
        )
