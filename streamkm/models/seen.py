"""Storage of what the model of a stream has read of its stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamkm.models.checks import impossible
from streamkm.outputs.reading import StoredGroup
from streamkm.outputs.sealing import write_array
from streamkm.rows import Seen

_FACTS = ("place", "described", "length", "unit")
_ARRAYS = {"marks": np.uint64, "chunks": np.int64}


def write_seen(group: Any, seen: Sequence[Seen]) -> None:
    """Write the stores as attributes of the group `seen`, if there are any.

    The arrays of all of them are written as one each.
    """
    if not seen:
        return
    own = group.create_group("seen")
    facts = [
        {name: getattr(s, name) for name in _FACTS}
        | {"slabs": len(s.marks), "pieces": [list(piece) for piece in s.pieces]}
        for s in seen
    ]
    own.attrs.put({"stores": facts})
    for name in _ARRAYS:
        write_array(own, name, np.concatenate([getattr(s, name) for s in seen]), ("slab",))


def read_seen(group: StoredGroup) -> tuple[Seen, ...]:
    """Return the stores that `write_seen` wrote.

    Raises
    ------
    DataError
        If the arrays do not have the lengths that the attributes describe.
    """
    own = group.group_in("seen")
    if own is None:
        return ()
    stores = own.attribute("stores", list)
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
            pieces=tuple((first, start, stop) for first, start, stop in store.get("pieces", [])),
        )
        for store, marks, chunks in zip(stores, parts["marks"], parts["chunks"], strict=True)
    )
