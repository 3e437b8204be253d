"""Arrays of labels."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from streamkm.errors import DataError
from streamkm.rows import BlockPlan

_FEW_CHUNKS, _CHUNKS_A_BLOCK = 1000, 64


def create_labels(
    path: Path,
    plan: BlockPlan,
    dtype: np.dtype[Any],
    dimensions: tuple[str | None, ...] | None,
    attributes: dict[str, Any],
    fill: Any,
) -> Any:
    """An empty Zarr array of the row shape, chunked so that every chunk lies within one block.

    `fill` is the label of rows without one: a chunk that is lost reads as no cluster.

    Raises
    ------
    DataError
        When uneven blocks would make very many chunks of them.
    """
    chunks = plan.common_chunks
    count = math.prod(-(-n // c) for n, c in zip(plan.row_shape, chunks, strict=True))
    if count > max(_FEW_CHUNKS, _CHUNKS_A_BLOCK * plan.n_blocks):
        raise DataError(
            f"blocks of uneven sizes have chunks of {chunks} in common, which makes {count:,} "
            "files of labels; rechunk the rows evenly (in Dask, x.rechunk({0: 100_000})) first."
        )
    import zarr  # a quarter of a second, which a fit in memory does without

    return zarr.create_array(
        path,
        shape=plan.row_shape,
        chunks=chunks,
        dtype=dtype,
        dimension_names=dimensions,
        attributes=attributes,
        fill_value=fill,
    )
