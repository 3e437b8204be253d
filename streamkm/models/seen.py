"""Storage of what the model of a stream has read of its stores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from streamkm.errors import DataError
from streamkm.outputs.reading import attribute, read
from streamkm.rows import Seen

_FACTS = ("place", "described", "length", "unit")
_ARRAYS = {"marks": np.uint64, "chunks": np.int64}


def write_seen(group: Any, seen: Sequence[Seen], write: Callable[..., None]) -> None:
    """Write the stores as attributes of a group, and the arrays of all of them as one each."""
    facts = [{n: getattr(s, n) for n in _FACTS} | {"slabs": len(s.marks)} for s in seen]
    group.attrs.put({"stores": facts})
    for name in _ARRAYS:
        write(group, name, np.concatenate([getattr(s, name) for s in seen]), ("slab",))


def read_seen(group: Any) -> tuple[Seen, ...]:
    """Return the stores that `write_seen` wrote.

    Raises
    ------
    DataError
        If the arrays do not have the lengths that the attributes describe.
    """
    stores = attribute(group, "stores")
    ends = np.cumsum([store["slabs"] for store in stores])
    arrays: dict[str, Any] = {
        name: read(group, name, 1).astype(dtype) for name, dtype in _ARRAYS.items()
    }
    if any(len(values) != ends[-1] for values in arrays.values()):
        raise DataError(f"the arrays of {group.store_path} have other lengths than its stores.")
    parts = {name: np.split(values, ends[:-1]) for name, values in arrays.items()}
    return tuple(
        Seen(**{name: store[name] for name in _FACTS}, marks=marks, chunks=chunks)
        for store, marks, chunks in zip(stores, parts["marks"], parts["chunks"], strict=True)
    )
