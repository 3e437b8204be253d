"""Write a source to a Zarr store, a shard at a time, and resume a killed run."""

from __future__ import annotations

import base64
import math
import shutil
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from streamkm.arrays import AnyArray
from streamkm.checkpoint import Record
from streamkm.errors import DataError
from streamkm.ingesting.plan import regions
from streamkm.ingesting.source import Form, Region, Source
from streamkm.outputs import INGEST, marks_of
from streamkm.outputs.sealing import checked
from streamkm.progress import PhaseCallback, Progress
from streamkm.rows import EVERY_CHUNK, MARK, record_whole, storing_all
from streamkm.rows.formats.exact import converted

KIND = INGEST
_FEW_IDS = 2**16  # ids in one chunk


def remaining_marks(partial: Path) -> dict[str, Any]:
    """Return the marks of an unfinished store, if any; delete temporary files of a killed write."""
    marks = marks_of(partial)
    if "ingest" not in marks:
        return {}
    for torn in partial.rglob("*.partial"):
        torn.unlink()  # Zarr writes to a file beside the chunk, and renames it
    return marks


def record_in(marks: dict[str, Any]) -> Record | None:
    """Return the record of the run that wrote these marks, or None without marks."""
    if not marks:
        return None
    facts = marks["ingest"]
    return Record(KIND, facts["options"], {"sources": facts["sources"]})


def create(
    partial: Path,
    form: Form,
    dtype: np.dtype[Any],
    chunks: tuple[int, ...],
    step: tuple[int, ...],
    sharded: bool,
    record: Record,
) -> None:
    """Create an empty store for the rows of a source; its record is written last."""
    shutil.rmtree(partial, ignore_errors=True)
    group = zarr.create_group(partial)
    attributes = dict(form.attributes)
    if "_FillValue" in attributes:
        attributes["_FillValue"] = _for_xarray(attributes["_FillValue"], dtype)
    group.create_array(
        form.name,
        shape=(form.n or 0, *form.row_shape),
        chunks=chunks,
        shards=step if sharded and step != chunks else None,
        dtype=dtype,
        compressors=checked(),
        dimension_names=form.dims,
        attributes=attributes,
    )
    for name, (dims, values, described) in form.beside.items():
        array = group.create_array(
            name,
            shape=values.shape,
            chunks=tuple(max(1, n) for n in values.shape),
            dtype=str if values.dtype == object else values.dtype,
            compressors=checked(),
            dimension_names=dims,
            attributes=described,
        )
        array[...] = values
    if form.ids is not None:
        name, kind = form.ids
        few = step[0] <= _FEW_IDS
        group.create_array(
            name,
            shape=(form.n or 0,),
            chunks=step[:1] if few else chunks[:1],
            shards=step[:1] if sharded and not few and step[0] != chunks[0] else None,
            dtype=str if kind.kind == "T" else kind,
            compressors=checked(),
            dimension_names=form.dims[:1],
        )
    group.create_group(MARK, attributes=EVERY_CHUNK)
    facts: Any = {**record.data, "options": record.asked}
    group.attrs.put({"kind": KIND, "ingest": facts, "skipped": [], "done": 0})


def _for_xarray(value: float, dtype: np.dtype[Any]) -> Any:
    """Return a `_FillValue` as xarray encodes it in Zarr 3: base64 for floats, which may be NaN."""
    stored = converted(np.array([value]), dtype)[0]
    if dtype.kind != "f":
        return int(stored)
    return base64.standard_b64encode(struct.pack("<d", float(stored))).decode()


def write(
    partial: Path, source: Source, step: tuple[int, ...], watch: Sequence[PhaseCallback]
) -> None:
    """Write the shards that are not written yet.

    Raises
    ------
    DataError
        If the source is empty, ends too early, or has a value that the dtype cannot represent.
    """
    group: Any = zarr.open_group(partial, mode="r+")
    form, data = source.form, storing_all(group[source.form.name])
    done, nbytes, total = int(group.attrs["done"]), 0, None
    if form.n is not None:
        total = math.prod(-(-n // s) for n, s in zip(data.shape, step, strict=True))
    for number, region in enumerate(regions(form.n, form.row_shape, step)):
        if number < done:
            nbytes += _nbytes(region, data.dtype)
            continue
        values, ids = source.read(region)
        if form.n is None and not len(values):
            break
        _write_shard(group, data, form, region, values, ids)
        nbytes += values.size * data.dtype.itemsize
        group.update_attributes({"done": number + 1, "skipped": source.skipped})
        for report in watch:
            report(Progress("ingest", number + 1, total, "shards", nbytes))
        if form.n is None and len(values) < region[0].stop - region[0].start:
            break
    if not data.size:
        raise DataError("the source has no rows.")
    if MARK in group:  # a store that an earlier version began lacks chunks of fill values
        record_whole(group, [form.name])
    skipped = {"skipped": source.skipped} if source.skipped else {}
    group.attrs.put({"kind": KIND, "ingest": group.attrs["ingest"], **skipped})


def _write_shard(
    group: Any, data: Any, form: Form, region: Region, values: AnyArray, ids: AnyArray | None
) -> None:
    """Write one shard and the ids of its rows, if any; a source of unknown length grows."""
    first = region[0].start
    stop = first + len(values)
    if form.n is not None and stop < region[0].stop:
        raise DataError(
            f"the source ended after {stop:,} of {form.n:,} rows; it may have changed "
            "during the run."
        )
    if form.n is None:
        data.resize((stop, *form.row_shape))
    data[(slice(first, stop), *region[1:])] = converted(values, data.dtype)
    if form.ids is not None and ids is not None:
        array = group[form.ids[0]]
        if form.n is None:
            array.resize((stop,))
        array[first:stop] = ids


def _nbytes(region: Region, dtype: np.dtype[Any]) -> int:
    return int(math.prod(s.stop - s.start for s in region) * dtype.itemsize)
