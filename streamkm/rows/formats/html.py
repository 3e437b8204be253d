"""The HTML of arrays in files in notebooks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from streamkm.html_repr import html_repr
from streamkm.sizes import show_bytes

_NAMES = 10  # features that are named


def regular_chunks(shape: Sequence[int], chunks: Sequence[int]) -> int:
    """Return the number of chunks of one shape.

    Examples
    --------
    >>> regular_chunks((10, 3), (4, 3))
    3
    """
    return math.prod(-(-n // (c or 1)) for c, n in zip(chunks, shape, strict=True))


def array_html(
    array: Any,
    dims: Sequence[str | None],
    names: Sequence[str] | None,
    origin: dict[str, str],
    n_chunks: int,
) -> str:
    """Return the HTML of an array: its shape, chunks and bytes; nothing is read.

    Parameters
    ----------
    array : FileArray or Variables
    dims : names of the dimensions, or None for those without
    names : names of the features, or None
    origin : where the values are, as text by name
    n_chunks : number of chunks, which may be smaller than `array.chunks`
    """
    extents = zip(dims, array.shape, strict=True)
    axes = (f"{n:,}" if name is None else f"{name}: {n:,}" for name, n in extents)
    nbytes = math.prod(array.shape) * array.dtype.itemsize
    facts = {**origin, "shape": f"({', '.join(axes)})"}
    facts["values"] = f"{array.dtype}, {show_bytes(nbytes)} decoded"
    if array.chunks:
        chunks = tuple(min(c, n) for c, n in zip(array.chunks, array.shape, strict=True))
        most = show_bytes(math.prod(chunks) * array.dtype.itemsize)
        size = f"{' x '.join(f'{c:,}' for c in chunks)}, {most} each"
        even = n_chunks == regular_chunks(array.shape, chunks)
        facts["chunks"] = f"{n_chunks:,} of {'' if even else 'at most '}{size}"
    if names:
        more = f" and {len(names) - _NAMES:,} more" if len(names) > _NAMES else ""
        facts["features"] = ", ".join(names[:_NAMES]) + more
    return html_repr(type(array).__name__, repr(array), facts)
