"""Storage of what the model of a stream has read of its stores and files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from streamkm.models.checks import impossible
from streamkm.outputs.reading import StoredGroup
from streamkm.outputs.sealing import write_array
from streamkm.rows import Piece, Seen, SeenFile, SeenFiles, SeenStore

_FACTS = ("place", "described", "length", "unit")
_ARRAYS = {"marks": np.uint64, "chunks": np.int64}


def write_seen(group: Any, seen: Sequence[SeenStore], unrecorded: Sequence[str]) -> None:
    """Write what was read as attributes of the group `seen`, if there is any.

    The arrays of all stores are written as one each.
    """
    if not seen and not unrecorded:
        return
    own = group.create_group("seen")
    stores = [each for each in seen if isinstance(each, Seen)]
    facts = [
        {name: getattr(s, name) for name in _FACTS}
        | {"slabs": len(s.marks), "pieces": _listed(s.pieces)}
        for s in stores
    ]
    files = [
        {"place": s.place, "described": s.described, "files": [_of_file(f) for f in s.files]}
        for s in seen
        if isinstance(s, SeenFiles)
    ]
    own.attrs.put({"stores": facts, "files": files, "unrecorded": list(unrecorded)})
    for name in _ARRAYS if stores else ():
        write_array(own, name, np.concatenate([getattr(s, name) for s in stores]), ("slab",))


def read_seen(
    group: StoredGroup, data: Sequence[str]
) -> tuple[tuple[SeenStore, ...], tuple[str, ...]]:
    """Return what `write_seen` wrote.

    Parameters
    ----------
    group : StoredGroup
    data : addresses of the data of the model, of which earlier versions recorded a part or nothing

    Raises
    ------
    DataError
        If the arrays do not have the lengths that the attributes describe.
    """
    own = group.group_in("seen")
    if own is None:
        return (), tuple(data)
    seen: list[SeenStore] = list(_read_stores(own))
    if "files" not in own.attributes:
        return tuple(seen), tuple(name for name in data if not _is_recorded(name, seen))
    for each in own.attribute("files", list):
        files = tuple(
            SeenFile(f["name"], int(f["length"]), f["mark"], _pieces(f["pieces"]))
            for f in each["files"]
        )
        seen.append(SeenFiles(each["place"], each["described"], files))
    return tuple(seen), tuple(map(str, own.attribute("unrecorded", list)))


def _read_stores(own: StoredGroup) -> tuple[Seen, ...]:
    stores = own.attribute("stores", list)
    if not stores:
        return ()
    ends = np.cumsum([store["slabs"] for store in stores])
    arrays: dict[str, Any] = {
        name: own.read(name, 1, "iu").astype(dtype) for name, dtype in _ARRAYS.items()
    }
    if any(len(values) != ends[-1] for values in arrays.values()):
        impossible(own, "its arrays have other lengths than its stores")
    parts = {name: np.split(values, ends[:-1]) for name, values in arrays.items()}
    return tuple(
        Seen(
            **{name: store[name] for name in _FACTS},
            marks=marks,
            chunks=chunks,
            pieces=_pieces(store.get("pieces", [])),
        )
        for store, marks, chunks in zip(stores, parts["marks"], parts["chunks"], strict=True)
    )


def _is_recorded(name: str, seen: Sequence[SeenStore]) -> bool:
    """Return whether a store of an earlier version has a record."""
    where = name if "://" in name else os.path.realpath(name)
    return any(f"{each.place}/".startswith(f"{where.rstrip('/')}/") for each in seen)


def _of_file(file: SeenFile) -> dict[str, Any]:
    return {**vars(file), "pieces": _listed(file.pieces)}


def _listed(pieces: Sequence[Piece]) -> list[list[int]]:
    return [list(piece) for piece in pieces]


def _pieces(stored: Sequence[Sequence[int]]) -> tuple[Piece, ...]:
    return tuple((int(first), int(start), int(stop)) for first, start, stop in stored)
