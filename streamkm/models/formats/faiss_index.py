"""Centroids as an index of faiss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from streamkm.errors import DataError
from streamkm.models.model import Model
from streamkm.rows import UnitLength


def faiss_index(model: Model) -> Any:
    """Return an IndexFlatIP of centroids of unit length, or an IndexFlatL2 of other centroids.

    Raises
    ------
    DataError
        If the rows are scaled or shifted, which faiss cannot represent.
    """
    import faiss

    directions = isinstance(model.scaling, UnitLength)
    if model.scaling is not None and not directions:
        kind = type(model.scaling).__name__
        raise DataError(
            f"the model has {kind} rows, and an index of faiss compares rows as they are, in "
            "float32. Scale or shift the data themselves, and fit them without a scale."
        )
    centroids = np.ascontiguousarray(model.scaled_centroids, np.float32)
    made = faiss.IndexFlatIP if directions else faiss.IndexFlatL2
    index = made(centroids.shape[1])
    index.add(centroids)
    return index


def write_faiss(model: Model, path: Path) -> None:
    """Write the index, for `faiss.read_index`."""
    index = faiss_index(model)
    import faiss

    faiss.write_index(index, str(path))
