"""Labels as a Parquet table, a row for each row of the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.outputs.whole_labels import LabelOutline, Region, WholeLabels, pieces
from streamkm.rows.coordinates import Coordinate

_IDS = "iuMSTU"  # kinds of dtype of coordinates that can identify a row


def refuse(labels: LabelOutline) -> None:
    """Raise an error if an id cannot be decoded, or has the name of the column of labels."""
    ids = list[str]()
    for axis, dim in enumerate(labels.dimensions):
        known = labels.along(axis)
        for coordinate in known.values():
            coordinate.values(0, 1)
        ids += [*known, *_position(dim, known)]
    if labels.column in ids:
        raise DataError(
            f"the coordinate {labels.column!r} has the name of the column of labels; "
            "rename it, or write labels of another format."
        )


def write(labels: WholeLabels, path: Path) -> None:
    """Write a row group for each piece of the labels.

    The columns are the coordinates along each dimension, its positions if no coordinate identifies
    them, and the label, which is null for rows that are left out.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer, outline = None, labels.outline
    try:
        for region, values in pieces(labels.array):
            missing = None if outline.fill is None else values.ravel() == outline.fill
            columns = dict(_columns(outline, region))
            columns[outline.column] = pa.array(values.ravel(), mask=missing)
            table = pa.table(columns)
            if writer is None:
                writer = pq.ParquetWriter(path, table.schema, write_page_checksum=True)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _columns(labels: LabelOutline, region: Region) -> Iterator[tuple[str, Any]]:
    shape = tuple(s.stop - s.start for s in region)
    for axis, (dim, rows) in enumerate(zip(labels.dimensions, region, strict=True)):
        known = labels.along(axis)
        for name, coordinate in known.items():
            yield name, _spread(coordinate.values(rows.start, rows.stop), axis, shape)
        for name in _position(dim, known):
            yield name, _spread(np.arange(rows.start, rows.stop), axis, shape)


def _position(dim: str, known: Mapping[str, Coordinate]) -> list[str]:
    """Return the name of the column of positions, if no coordinate identifies the dimension."""
    is_known = dim in known or any(c.array.dtype.kind in _IDS for c in known.values())
    return [] if is_known else [dim]


def _spread(values: AnyArray, axis: int, shape: tuple[int, ...]) -> Any:
    """Repeat the values along an axis for all rows of a region."""
    column = [1] * len(shape)
    column[axis] = shape[axis]
    positions = np.broadcast_to(np.arange(shape[axis]).reshape(column), shape).ravel()
    found = _arrow(values)
    return found if len(shape) == 1 else found.take(positions)


def _arrow(values: AnyArray) -> Any:
    import pyarrow as pa

    if values.dtype.kind == "S":
        return pa.array([value.decode(errors="replace") for value in values.tolist()])
    if values.dtype.kind in "OTU":  # also dates of cftime
        texts = [value if value is None else str(value) for value in values.tolist()]
        return pa.array(texts, pa.string())
    return pa.array(values.astype(values.dtype.newbyteorder("=")))
