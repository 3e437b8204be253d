"""Checks of the sizes of chunks, without an import of Zarr before they are needed."""

from __future__ import annotations

from typing import Any


def checked_sizes(array: Any) -> Any:
    """Return a Zarr array that refuses chunks that decode to more than their values."""
    from streamkm.rows.guarded import guarded  # imports Zarr

    return guarded(array)
