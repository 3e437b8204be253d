"""Rows sorted by cluster: every block becomes a sorted run in files, and the runs are merged.

The order of the rows is (cluster, row number), so it depends on neither the block plan nor the
scheduler.
"""

from __future__ import annotations

import mmap
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray
from streamkm.passes import PerRow, Sizes
from streamkm.rows import Block

Int64Array = npt.NDArray[np.int64]
Kind = tuple[np.dtype[Any], int]  # dtype and width of an array; 0 for no second axis


NUMBERS_KIND: Kind = (np.dtype(np.int64), 0)
INDEX, _INDEX = "index", (np.dtype(np.int64), 4)
_NO_CLUSTER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class SortedRun:
    """The rows of one block, sorted by cluster and row number, in files without headers.

    The file `index` has, for each cluster that has rows: the cluster, the position of its first
    row, and its first and its last row number. A last entry has the number of rows as its position.
    There is one more file for each array.

    Parameters
    ----------
    folder : path of the folder of all runs
    number : number of the block
    """

    folder: str
    number: int

    def save(self, labels: AnyArray, arrays: Mapping[str, AnyArray]) -> tuple[AnyArray, AnyArray]:
        """Write the rows of a block, given in the order of their numbers.

        Parameters
        ----------
        labels : ndarray of shape (n,), clusters of the rows
        arrays : `numbers` (n,), and other arrays of shape (n, ...), by name

        Returns
        -------
        The clusters (m,) that have rows, and their numbers of rows (m,).
        """
        order = np.argsort(labels, kind="stable")
        clusters, first, counts = np.unique(labels[order], return_index=True, return_counts=True)
        numbers = arrays["numbers"][order]
        index = np.full((len(clusters) + 1, 4), (_NO_CLUSTER, len(order), 0, -1), np.int64)
        index[:-1] = np.stack([clusters, first, numbers[first], numbers[first + counts - 1]], 1)
        self.write(INDEX, index)
        for name, values in arrays.items():
            self.write(name, values[order])
        return clusters, counts

    def load(self, name: str, kind: Kind) -> AnyArray:
        """Return an array (n, width), or (n,) if the width is 0, as a memory map."""
        dtype, width = kind
        with self._path(name).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            held = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
        values: AnyArray = np.frombuffer(held, dtype)
        return values.reshape(-1, width) if width else values

    def part(self, name: str, kind: Kind, begin: int, end: int) -> AnyArray:
        """Read the rows begin to end of an array; a memory map would count pages around them."""
        dtype, width = kind
        each = max(width, 1)
        nbytes = begin * each * dtype.itemsize
        values = np.fromfile(self._path(name), dtype, (end - begin) * each, offset=nbytes)
        return values.reshape(-1, width) if width else values

    def index(self) -> AnyArray:
        """The index (m, 4), as a memory map."""
        return self.load(INDEX, _INDEX)

    def _path(self, name: str) -> Path:
        return Path(self.folder, f"{self.number:08d}.{name}")

    def write(self, name: str, values: AnyArray) -> None:
        """Write a whole file, also if a task is repeated while the file is read."""
        path = self._path(name)
        partial = path.with_suffix(f".{uuid.uuid4().hex[:8]}")
        try:
            partial.write_bytes(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


@dataclass(frozen=True)
class SortBlock:
    """Write the sorted run of a block; the statistic is the number of rows of each cluster.

    Parameters
    ----------
    question : PerRow whose results are the labels 0 to n_clusters - 1
    n_clusters : int
    folder : path of the folder of the runs
    dtype : dtype of the rows in the runs
    weightless : whether rows of weight zero are written
    """

    question: PerRow[Any]
    n_clusters: int
    folder: str
    dtype: np.dtype[Any]
    weightless: bool = True

    def identity(self) -> Sizes:
        return Sizes(np.zeros(self.n_clusters, np.int64))

    def statistic_nbytes(self, n_features: int) -> int:
        return self.question.statistic_nbytes(n_features)

    def __call__(self, block: Block) -> Sizes:
        labels, _ = self.question(block)
        arrays = {
            "numbers": block.row_numbers(0, block.n_rows),
            "rows": block.values.astype(self.dtype, copy=False),
        }
        if block.weights is not None:
            arrays["weights"] = block.weights
            if not self.weightless:
                kept = block.weights > 0
                labels = labels[kept]
                arrays = {name: values[kept] for name, values in arrays.items()}
        clusters, counts = SortedRun(self.folder, block.number).save(labels, arrays)
        sizes = self.identity()
        sizes.counts[clusters] = counts
        return sizes
