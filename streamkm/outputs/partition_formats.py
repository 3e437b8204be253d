"""Formats of rows that are grouped by cluster: a Zarr group, or a folder of Parquet files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.outputs.marks import mark_folder, marks_of
from streamkm.outputs.sealing import checked, seal, write_array
from streamkm.rows import record_whole, storing_all

Int64Array = npt.NDArray[np.int64]

ROWS, NUMBERS, WEIGHTS, OFFSETS = "rows", "numbers", "weights", "offsets"
_CHUNK_NBYTES = 2**19  # small, because a partition is read without its neighbours


@dataclass(frozen=True)
class PartitionLayout:
    """What a partition contains.

    Parameters
    ----------
    offsets : ndarray of shape (k + 1,), int64
    n_features : int
    dtype : dtype of the rows
    weights : dtype of the weights, or None
    features : names of the features, or None
    step : rows that one task writes
    """

    offsets: Int64Array
    n_features: int
    dtype: np.dtype[Any]
    weights: np.dtype[Any] | None
    features: Sequence[str] | None
    step: int

    @property
    def n_rows(self) -> int:
        return int(self.offsets[-1])


class PartitionWriter(Protocol):
    """Writes the rows of a task; tasks may write at the same time."""

    def write(
        self, number: int, start: int, labels: Int64Array, arrays: Mapping[str, AnyArray]
    ) -> None:
        """Write rows.

        Parameters
        ----------
        number : number of the task
        start : position of the first row
        labels : ndarray of shape (n,), ascending, the clusters
        arrays : `numbers` (n,), `rows` (n, d) and, if there are weights, `weights` (n,)
        """
        ...


class PartitionFormat(Protocol):
    """A format of partitions."""

    def check(self, features: Sequence[str] | None) -> None:
        """Raise an error if a package is missing, or features of these names are not allowed."""
        ...

    def begin(self, folder: Path, marks: Mapping[str, Any]) -> None:
        """Mark the folder of an unfinished partition; nothing that it contains is removed."""
        ...

    def step(self, row_nbytes: int, n_rows: int, most: int) -> int:
        """Return how many rows a task writes, in about `most` bytes."""
        ...

    def create(self, folder: Path, layout: PartitionLayout) -> PartitionWriter:
        """Prepare the folder for the rows."""
        ...

    def finish(self, folder: Path) -> None:
        """Complete the folder when all rows are written."""
        ...


@dataclass(frozen=True)
class _ZarrWriter:
    arrays: Mapping[str, Any]

    def write(
        self, number: int, start: int, labels: Int64Array, arrays: Mapping[str, AnyArray]
    ) -> None:
        for name, values in arrays.items():
            self.arrays[name][start : start + len(values)] = values


class ZarrPartition:
    """A Zarr group with `rows` (n, d), `numbers` (n,), `offsets` (k + 1,), and maybe `weights`."""

    def check(self, features: Sequence[str] | None) -> None:
        """Check nothing: Zarr is always there, and features may have any name."""

    def begin(self, folder: Path, marks: Mapping[str, Any]) -> None:
        import zarr  # takes a quarter of a second

        zarr.open_group(folder, mode="a").attrs.put(dict(marks))

    def step(self, row_nbytes: int, n_rows: int, most: int) -> int:
        """Whole chunks, so that each shard is written by one task."""
        chunk = self._chunk(row_nbytes, n_rows)
        whole = max(1, math.ceil(n_rows / chunk))
        return chunk * min(whole, max(1, most // (chunk * row_nbytes)))

    def create(self, folder: Path, layout: PartitionLayout) -> PartitionWriter:
        import zarr

        group: Any = zarr.open_group(folder, mode="a")
        n, d = layout.n_rows, layout.n_features
        kinds: dict[str, tuple[tuple[int, ...], Any]] = {
            ROWS: ((n, d), layout.dtype),
            NUMBERS: ((n,), np.dtype(np.int64)),
        }
        if layout.weights is not None:
            kinds[WEIGHTS] = ((n,), layout.weights)
        nbytes = sum(math.prod(shape[1:]) * dtype.itemsize for shape, dtype in kinds.values())
        chunk = min(self._chunk(nbytes, n), layout.step)
        for name, (shape, dtype) in kinds.items():
            if name in group:  # created by a run that was stopped
                continue
            names = {"columns": list(layout.features)} if name == ROWS and layout.features else {}
            group.create_array(
                name,
                shape=shape,
                chunks=(chunk, *shape[1:]),
                shards=(layout.step, *shape[1:]) if layout.step > chunk else None,
                dtype=dtype,
                compressors=checked(),
                dimension_names=("row", "feature")[: len(shape)],
                attributes=names,
            )
        if OFFSETS in group:  # a run that was stopped may not have written its values
            group[OFFSETS][...] = layout.offsets
        else:
            write_array(group, OFFSETS, layout.offsets, ("edge",))
        record_whole(group, kinds)
        return _ZarrWriter({name: storing_all(group[name]) for name in kinds})

    def finish(self, folder: Path) -> None:
        seal(folder, [OFFSETS])

    @staticmethod
    def _chunk(row_nbytes: int, n_rows: int) -> int:
        return max(1, min(n_rows, _CHUNK_NBYTES // row_nbytes))


@dataclass(frozen=True)
class _ParquetWriter:
    folder: str
    features: Sequence[str] | None

    def write(
        self, number: int, start: int, labels: Int64Array, arrays: Mapping[str, AnyArray]
    ) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        clusters, first = np.unique(labels, return_index=True)
        ends = [*first[1:].tolist(), len(labels)]
        for cluster, begin, end in zip(clusters.tolist(), first.tolist(), ends, strict=True):
            own = {name: values[begin:end] for name, values in arrays.items()}
            folder = Path(self.folder, f"cluster={cluster}")
            folder.mkdir(exist_ok=True)
            path = folder / f"part-{number:06d}.parquet"
            partial = path.with_suffix(".partial")
            pq.write_table(pa.table(self._columns(own)), partial)
            partial.replace(path)

    def _columns(self, arrays: Mapping[str, AnyArray]) -> dict[str, Any]:
        import pyarrow as pa

        rows = arrays[ROWS]
        columns = {"row": pa.array(arrays[NUMBERS])}
        if self.features:
            columns |= {name: pa.array(rows[:, at]) for at, name in enumerate(self.features)}
        else:
            columns["features"] = pa.FixedSizeListArray.from_arrays(
                pa.array(rows.reshape(-1)), rows.shape[1]
            )
        if WEIGHTS in arrays:
            columns["weight"] = pa.array(arrays[WEIGHTS])
        return columns


class ParquetPartition:
    """A folder `cluster=C` for each cluster that has rows, with files of its rows.

    The columns are `row` (the row number), one for each feature, or the vector `features` if the
    features have no names, and `weight` if there are weights.
    """

    def check(self, features: Sequence[str] | None) -> None:
        taken = {"row", "weight", "cluster"} & set(features or ())
        if taken:
            raise DataError(
                f"the feature {min(taken)!r} has the name of a column of Parquet partitions; "
                "rename it, or write a Zarr group."
            )
        try:
            import_module("pyarrow.parquet")
        except ModuleNotFoundError as error:
            raise DataError(
                "Parquet partitions need pyarrow: pip install 'streamkm[ingest]'."
            ) from error

    def begin(self, folder: Path, marks: Mapping[str, Any]) -> None:
        mark_folder(folder, marks)

    def step(self, row_nbytes: int, n_rows: int, most: int) -> int:
        return max(1, min(n_rows, most // row_nbytes))

    def create(self, folder: Path, layout: PartitionLayout) -> PartitionWriter:
        mark_folder(folder, marks_of(folder) | {"n_rows": layout.n_rows})  # reveals lost files
        return _ParquetWriter(str(folder), layout.features)

    def finish(self, folder: Path) -> None:
        """Nothing is left to do."""
