"""Label stores, as ``fit --labels`` and ``predict`` write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from streamkm.rows import Rows
from streamkm.rows.open import dimension_names, open_zarr
from streamkm.stores import create_labels


def row_dimensions(data: str, variable: str | None, rows: Rows) -> tuple[str | None, ...] | None:
    """Names of the row dimensions of a stored array."""
    names = dimension_names(open_zarr(data, variable))
    return tuple(names[a] for a in rows.layout.row_axes) if names else None


def label_store(
    path: Path, rows: Rows, dtype: np.dtype[Any], names: tuple[str | None, ...] | None
) -> Any:
    """An empty label array for the rows."""
    return create_labels(path, rows.plan, dtype, names, {"kind": "streamkm labels"})
