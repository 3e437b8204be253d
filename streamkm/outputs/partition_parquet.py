"""Reading of partitions in Parquet files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.errors import DataError
from streamkm.files.find import File, entries
from streamkm.outputs.partition_formats import NUMBERS, ROWS, WEIGHTS
from streamkm.rows.formats.columns import Columns
from streamkm.rows.formats.parquet import Parquet
from streamkm.rows.formats.tables import TableArray, open_table

_PART = re.compile(r"/cluster=(\d+)/part-(\d+)\.parquet$")
_ROW, _WEIGHT = "row", "weight"


def open_parquet(
    where: str, marks: Mapping[str, Any]
) -> tuple[dict[str, Any], npt.NDArray[np.int64]]:
    """Open the arrays of a partition; the footers of all files are read.

    Parameters
    ----------
    where : path of the folder
    marks : its marks

    Returns
    -------
    arrays : dict of str to TableArray
        `rows`, `numbers` and `weights`, which are None if there are none.
    offsets : ndarray of shape (k + 1,), int64

    Raises
    ------
    DataError
        If there are no rows, or files are missing.
    """
    fs, found, _ = entries(where)
    named = [(_PART.search(path), path) for path in found]
    parts = sorted((int(m[1]), int(m[2]), path) for m, path in named if m is not None)
    k, n_rows = marks.get("n_clusters"), marks.get("n_rows")
    if not isinstance(k, int) or (parts and parts[-1][0] >= k):
        raise DataError(f"{where} is damaged: its clusters are not those of its note.")
    if not parts:
        raise DataError(f"{where} is a partition without rows.")
    files = [File.from_info(fs, path, found[path]) for _, _, path in parts]
    schema = Parquet().head(files[0]).schema
    features = [name for name in schema.names if name not in (_ROW, _WEIGHT)]
    rows = open_table(Parquet(), files, features)
    if n_rows not in (None, rows.shape[0]):
        raise DataError(
            f"{where} is damaged: it has {rows.shape[0]:,} rows instead of {n_rows:,}, so files "
            "are missing or were added."
        )
    sizes = np.zeros(k, np.int64)
    clusters = [parts[file][0] for file, _ in rows.groups]
    np.add.at(sizes, clusters, np.diff(rows.edges or (0,)))
    arrays: dict[str, Any] = {ROWS: rows, NUMBERS: _column(rows, schema, _ROW)}
    arrays[WEIGHTS] = _column(rows, schema, _WEIGHT) if _WEIGHT in schema.names else None
    return arrays, np.concatenate([[0], np.cumsum(sizes)])


def _column(table: TableArray, schema: Any, name: str) -> TableArray:
    """Return another column of the same files."""
    column = Columns.from_schema(schema, table.files[0], [name], in_place=True)
    return replace(
        table,
        shape=table.shape[:1],
        chunks=(table.chunks or (1,))[:1],
        dtype=column.dtype,
        columns=column,
        names=None,
        flat=True,
    )
