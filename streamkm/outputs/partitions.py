"""Reading of partitions: rows grouped by cluster in a Zarr group or in Parquet files."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from streamkm.errors import DataError, NotAModelError
from streamkm.files.near import unless_there
from streamkm.html_repr import html_repr, rows_table
from streamkm.outputs.marks import MARKS, PARTITION, marks_of
from streamkm.outputs.partition_formats import NUMBERS, OFFSETS, ROWS, WEIGHTS
from streamkm.outputs.partition_parquet import open_parquet
from streamkm.outputs.reading import open_stored
from streamkm.rows import Sliced
from streamkm.rows.lost import refuse_lost

_FORMAT = 1
_CLUSTERS = 20  # clusters that are shown in HTML


class Part(NamedTuple):
    """The rows of one cluster.

    Parameters
    ----------
    cluster : number of the cluster
    rows : Sliced of shape (m, d), in the order of the data
    numbers : Sliced of shape (m,), int64, row numbers in C order over the row axes of the data
    """

    cluster: int
    rows: Sliced
    numbers: Sliced


@dataclass(frozen=True, eq=False)
class Partition:
    """Rows grouped by cluster, as `streamkm.partition` writes them.

    It is a sequence of its clusters: `partition[c]` is the named tuple (cluster, rows, numbers) of
    cluster c. Its arrays are read when they are used: `numpy.asarray(rows)` reads all of a
    partition, `rows[10:20]` some rows, and `KMeans.fit(rows)` reads them block by block.

    Parameters
    ----------
    path : str
        Path or URL of the Zarr group, or path of the folder of Parquet files.
    rows : zarr.Array or TableArray of shape (n, d)
        All rows in their stored dtype, sorted by cluster, and by row number within a cluster. A
        TableArray reads Parquet files when it is sliced.
    numbers : zarr.Array or TableArray of shape (n,), int64
        Their row numbers, in C order over the row axes of the data.
    weights : zarr.Array or TableArray of shape (n,), or None
        Their weights, if the data had weights.
    offsets : ndarray of shape (k + 1,), int64
        Cluster c has rows offsets[c] to offsets[c + 1].
    row_shape : tuple of int
        Extent of the data along each row axis.

    Examples
    --------
    >>> import numpy as np, streamkm, tempfile
    >>> x = np.random.default_rng(0).normal(size=(100, 2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     parts = streamkm.partition(x[:3], x, f"{folder}/parts.zarr")
    ...     first = streamkm.KMeans(2, random_state=0).fit(parts[0].rows)
    ...     largest = max(len(numbers) for cluster, rows, numbers in parts)
    >>> parts.n_clusters, parts.sizes.sum(), largest == parts.sizes.max(), parts.weights_of(0)
    (3, np.int64(100), np.True_, None)
    """

    path: str
    rows: Any
    numbers: Any
    weights: Any
    offsets: npt.NDArray[np.int64]
    row_shape: tuple[int, ...]

    def __repr__(self) -> str:
        return f"<Partition of {self.path}: {self.rows.shape[0]:,} rows in {len(self):,} clusters>"

    def _repr_html_(self) -> str:
        n, d = self.rows.shape
        facts = {
            "path": self.path,
            "rows": f"{n:,} of {d:,} features, {self.rows.dtype}",
            "clusters": f"{len(self):,}, {int((self.sizes == 0).sum()):,} of them empty",
            "weights": "none" if self.weights is None else str(self.weights.dtype),
        }
        shown = self.sizes[:_CLUSTERS].tolist()
        shares = [size / (n or 1) for size in shown]
        rows = ((str(c), f"{size:,}", f"{shares[c]:.1%}") for c, size in enumerate(shown))
        left = len(self) - len(shown)
        more = f"and {left:,} more cluster{'s' * (left > 1)}" if left > 0 else ""
        table = rows_table(("cluster", "rows", "share"), rows, shares=shares, below=more)
        return html_repr("streamkm.Partition", repr(self), facts, table)

    @property
    def n_clusters(self) -> int:
        """Number of clusters, empty ones included."""
        return len(self.offsets) - 1

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Number of rows of each cluster (k,)."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return self.n_clusters

    def __getitem__(self, cluster: int) -> Part:
        at = range(self.n_clusters)[cluster]
        span = int(self.offsets[at]), int(self.offsets[at + 1])
        return Part(at, Sliced(self.rows, *span), Sliced(self.numbers, *span))

    def __iter__(self) -> Iterator[Part]:
        return (self[cluster] for cluster in range(self.n_clusters))

    def weights_of(self, cluster: int) -> Sliced | None:
        """Return the weights of the rows of a cluster, which are read when they are used.

        Parameters
        ----------
        cluster : int
            Number of the cluster.

        Returns
        -------
        Sliced of shape (m,), or None
            None if the data had no weights.
        """
        part = self[cluster].rows
        return None if self.weights is None else Sliced(self.weights, part.start, part.stop)


def open_partition(path: str | os.PathLike[str]) -> Partition:
    """Open rows that `streamkm.partition` or ``streamkm partition`` grouped by cluster.

    Parameters
    ----------
    path : str or path-like
        Path or URL of the Zarr group, or path of the folder of Parquet files.

    Returns
    -------
    Partition
        Only the offsets are read, or the footers of all Parquet files.

    Raises
    ------
    DataError
        If there is no partition at the path, or a part of it is missing.

    Examples
    --------
    >>> import numpy as np, streamkm, tempfile
    >>> x = np.arange(8.0).reshape(4, 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = streamkm.partition(x[[0, 3]], x, f"{folder}/parts.zarr")
    ...     for cluster, rows, numbers in streamkm.open_partition(f"{folder}/parts.zarr"):
    ...         print(cluster, np.asarray(numbers), np.asarray(rows).tolist())
    0 [0 1] [[0.0, 1.0], [2.0, 3.0]]
    1 [2 3] [[4.0, 5.0], [6.0, 7.0]]
    """
    where = os.fspath(path)
    marks = marks_of(where)
    if marks.get("kind") == PARTITION and Path(where, MARKS).is_file():
        arrays, offsets = open_parquet(where, marks)
        return _partition(where, arrays, offsets, marks.get("row_shape"))
    try:
        group = open_stored(where, PARTITION, "a partition that streamkm wrote", _FORMAT)
    except NotAModelError as error:
        raise DataError(
            f"{where} is not a partition that streamkm wrote{unless_there(where)}"
        ) from error
    arrays = {ROWS: group.stored(ROWS, 2), NUMBERS: group.stored(NUMBERS, 1, "iu")}
    arrays[WEIGHTS] = group.stored(WEIGHTS, 1) if WEIGHTS in group else None
    offsets = group.read(OFFSETS, 1, "i")
    _check(where, arrays, offsets)
    return _partition(where, arrays, offsets, group.attribute("row_shape", list))


def _partition(
    where: str, arrays: dict[str, Any], offsets: npt.NDArray[np.int64], shape: Any
) -> Partition:
    if (
        not isinstance(shape, list)
        or not all(type(n) is int and n >= 0 for n in shape)
        or not offsets[-1] <= math.prod(shape) < 2**63
    ):
        raise DataError(f"{where} is damaged: its attribute 'row_shape' is not that of its rows.")
    return Partition(where, arrays[ROWS], arrays[NUMBERS], arrays[WEIGHTS], offsets, tuple(shape))


def _check(where: str, arrays: dict[str, Any], offsets: npt.NDArray[np.int64]) -> None:
    """Raise an error if chunks are lost, or the arrays do not belong together."""
    for array in arrays.values():
        if array is not None:
            refuse_lost(array)
    ends = np.concatenate([[0], offsets, [arrays[ROWS].shape[0]]])
    lengths = {array.shape[0] for array in arrays.values() if array is not None}
    if len(lengths) != 1 or len(offsets) < 2 or (np.diff(ends) < 0).any() or ends[1] != 0:
        raise DataError(f"{where} is damaged: its arrays and offsets do not belong together.")
    if ends[-2] != ends[-1]:
        raise DataError(f"{where} is damaged: its last offset is not its number of rows.")
