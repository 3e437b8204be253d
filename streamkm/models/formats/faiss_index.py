"""Centroids as an index of faiss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.errors import DataError
from streamkm.models.model import Model
from streamkm.models.quantizer import Codebooks
from streamkm.rows import UnitLength

_MOST_BITS = 16  # of a code


def faiss_index(model: Model) -> Any:
    """Return an IndexFlatIP of centroids of unit length, or an IndexFlatL2 of other centroids.

    Raises
    ------
    DataError
        If the rows are scaled or shifted, which faiss cannot represent.
    """
    directions = isinstance(model.scaling, UnitLength)
    if model.scaling is not None and not directions:
        kind = type(model.scaling).__name__
        raise DataError(
            f"the model has {kind} rows, and an index of faiss compares rows as they are, in "
            "float32. Scale or shift the data themselves, and fit them without a scale."
        )
    return _flat(model.scaled_centroids, directions)


def write_faiss(model: Model, path: Path) -> None:
    """Write the index, for `faiss.read_index`."""
    index = faiss_index(model)
    import faiss

    # Written here, so that a full disk is an OSError.
    path.write_bytes(faiss.serialize_index(index).tobytes())


def product_index(found: Codebooks) -> Any:
    """Return a trained IndexPQ, or an IndexIVFPQ if there are coarse centroids.

    Raises
    ------
    DataError
        If the number of codewords is not a power of two, or is more than faiss supports.
    """
    import faiss

    m, k, size = found.codewords.shape
    bits = k.bit_length() - 1
    if k != 2**bits or not 1 <= bits <= _MOST_BITS:
        raise DataError(
            f"faiss needs a power of two of codewords, from 2 to {2**_MOST_BITS}, not {k}."
        )
    metric = faiss.METRIC_INNER_PRODUCT if found.cosine else faiss.METRIC_L2
    index: Any
    if found.coarse is None:
        index = faiss.IndexPQ(m * size, m, bits, metric)
    else:
        quantizer = _flat(found.coarse, found.cosine)
        index = faiss.IndexIVFPQ(quantizer, m * size, len(found.coarse), m, bits, metric)
    faiss.copy_array_to_vector(found.codewords.ravel(), index.pq.centroids)
    index.is_trained = True
    if found.coarse is not None:
        index.precompute_table()
    return index


def _flat(centroids: Float64Array, directions: bool) -> Any:
    """Return a flat index of centroids, by inner product for directions."""
    import faiss

    made = faiss.IndexFlatIP if directions else faiss.IndexFlatL2
    index = made(centroids.shape[1])
    index.add(np.ascontiguousarray(centroids, np.float32))
    return index
