"""Files of the rows nearest to each centroid: npy, Parquet and Zarr."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import Float64Array
from streamkm.errors import DataError
from streamkm.outputs.atomic import alone, whole
from streamkm.outputs.atomic_files import whole_file
from streamkm.outputs.destinations import File, Store
from streamkm.outputs.marks import NEAREST
from streamkm.outputs.sealing import checked
from streamkm.outputs.writable import Name, local

_FILES = (".npy", ".parquet")
_PART = 2**18  # values that are written together


def nearest_output(path: Name, overwrite: bool) -> Store | File:
    """Return the output of nearest rows: a .npy or .parquet file, otherwise a Zarr store.

    Raises
    ------
    DataError
        If a package of the format is missing.

    Examples
    --------
    >>> type(nearest_output("nearest.npy", False)).__name__
    'File'
    """
    suffix = Path(os.fspath(path)).suffix.lower()
    if suffix not in _FILES:
        return Store(path, NEAREST, overwrite)
    if suffix == ".parquet":
        try:
            import pyarrow.parquet  # noqa: F401
        except ModuleNotFoundError as error:
            raise DataError(
                ".parquet files need pyarrow: pip install 'streamkm[ingest]'."
            ) from error
    return File(path, (suffix,), overwrite)


def write_nearest(
    output: Store | File, numbers: npt.NDArray[np.int64], distances: Float64Array
) -> None:
    """Write nearest rows; the output appears under its name when it is complete.

    Parameters
    ----------
    output : as from `nearest_output`
    numbers : ndarray of shape (k, n), row numbers; -1 where a cluster has fewer rows
    distances : ndarray of shape (k, n)
    """
    target = local(output.path)
    with alone(target):
        if isinstance(output, Store):
            with whole(target, NEAREST, output.overwrite) as partial:
                _write_store(partial, numbers, distances)
            return
        with whole_file(target) as partial:
            if target.suffix.lower() == ".npy":
                with partial.open("wb") as file:
                    np.lib.format.write_array(file, numbers)
            else:
                _write_parquet(partial, numbers, distances)


def _write_store(path: Path, numbers: npt.NDArray[np.int64], distances: Float64Array) -> None:
    """Write arrays `numbers` and `distances` of dimensions (cluster, rank)."""
    import zarr

    group = zarr.create_group(path, overwrite=True, attributes={"kind": NEAREST, "format": 1})
    n_clusters, most = numbers.shape
    chunks = (max(1, min(n_clusters, _PART // most)), most)
    arrays: dict[str, tuple[Any, Any]] = {
        "numbers": (numbers, -1),
        "distances": (distances, np.inf),
    }
    for name, (values, fill) in arrays.items():
        array = group.create_array(
            name,
            shape=values.shape,
            chunks=chunks,
            dtype=values.dtype,
            compressors=checked(),
            fill_value=fill,
            dimension_names=("cluster", "rank"),
        )
        array[...] = values


def _write_parquet(path: Path, numbers: npt.NDArray[np.int64], distances: Float64Array) -> None:
    """Write the columns cluster, rank, row and distance, a line for each row that exists."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = (pa.int64(), pa.int32(), pa.int64(), pa.float64())
    names = ("cluster", "rank", "row", "distance")
    step = max(1, _PART // numbers.shape[1])
    with pq.ParquetWriter(path, pa.schema(list(zip(names, kinds, strict=True)))) as writer:
        for first in range(0, len(numbers), step):
            part = numbers[first : first + step]
            clusters, rank = np.nonzero(part >= 0)
            at = clusters, rank
            columns = (clusters + first, rank, part[at], distances[first : first + step][at])
            arrays = [pa.array(c, kind) for c, kind in zip(columns, kinds, strict=True)]
            writer.write_table(pa.table(arrays, names=list(names)))
