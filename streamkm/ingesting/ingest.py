"""``streamkm.ingest``: from the names of files to a store that is whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from streamkm.errors import DataError, OutputExistsError, ReadError, StreamkmError
from streamkm.files.find import SUFFIXES, File, find
from streamkm.ingesting.csv import Csv
from streamkm.ingesting.geotiff import GeoTiff
from streamkm.ingesting.images import Images
from streamkm.ingesting.npy import Npy
from streamkm.ingesting.parquet import Parquet
from streamkm.ingesting.plan import plan
from streamkm.ingesting.source import Source
from streamkm.ingesting.write import Watch, begun, create, write
from streamkm.outputs import INGEST, alone, check_store, whole
from streamkm.rows.layout import Layout
from streamkm.rows.open import open_zarr
from streamkm.sizes import parse_bytes, show_bytes

_FOR = {
    "columns": ("csv", "parquet"),
    "variable": ("npz",),
    "no_header": ("csv",),
    "delimiter": ("csv",),
    "skip_bad": ("images", "tar"),
}


def ingest(
    sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    kind: str | None = None,
    columns: Sequence[str] | None = None,
    variable: str | None = None,
    no_header: bool = False,
    delimiter: str | None = None,
    skip_bad: bool = False,
    dtype: Any = None,
    chunk: str | int = "4MiB",
    shard: str | int | None = "32MiB",
    overwrite: bool = False,
    watch: Sequence[Watch] = (),
) -> zarr.Array[Any]:
    """Turn files into a Zarr store that `KMeans` and ``streamkm fit`` take.

    Rows are streamed; in memory are a shard and what the reader holds. A run that was killed leaves
    a hidden folder beside `out`, with which the same call goes on, to the same bytes.

    Parameters
    ----------
    sources : path, URL, folder or pattern, or several of them
        npy, npz, CSV, Parquet, GeoTIFF, images, or tars of images; all of one kind.
    out : folder of the store, which appears there when it is whole
    kind : 'npy', 'npz', 'csv', 'parquet', 'geotiff', 'images' or 'tar', where the names do not tell
    columns : names of the columns of a table; by default all that hold numbers
    variable : name of an array in an npz file
    no_header : whether the first line of a CSV file is data
    delimiter : between the values of a CSV file
    skip_bad : whether damaged images are passed over; their names are the attribute ``skipped``
    dtype : of the store; by default that of the source
    chunk, shard : decoded bytes of a chunk, and of a shard or None
    overwrite : whether to replace what streamkm wrote at `out`, and what another run left there
    watch : each is called with a `Progress` after every shard

    Returns
    -------
    zarr.Array
        Opened for reading.

    Raises
    ------
    DataError
        For sources that cannot be read as one array; the message names the file and the fix.
    OutputExistsError
        When something is at `out` already.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np, streamkm
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/x.npy", np.eye(4))
    ...     streamkm.ingest(f"{folder}/x.npy", f"{folder}/x.zarr").shape
    (4, 4)
    """
    several = [sources] if isinstance(sources, (str, os.PathLike)) else sources
    names = [os.fspath(source) for source in several]
    if not names:
        raise DataError("no sources were given.")
    if kind is not None and kind not in SUFFIXES:
        raise DataError(f"no such kind: {kind!r}; there are {', '.join(SUFFIXES)}.")
    twice = [name for name in columns or () if list(columns or ()).count(name) > 1]
    if twice:
        raise DataError(f"the column {twice[0]!r} is named twice; name each column once.")
    target = check_store(out, INGEST, overwrite, names)
    found, given = find(names, kind)
    of_reader = {
        "columns": None if columns is None else list(columns),
        "variable": variable,
        "no_header": no_header,
        "delimiter": delimiter,
        "skip_bad": skip_bad,
    }
    for option, value in of_reader.items():
        if value not in (None, False) and found not in _FOR[option]:
            flag = option.replace("_", "-")
            raise DataError(f"--{flag} is for {' and '.join(_FOR[option])}, not for {found}.")
    try:
        wanted = None if dtype is None else np.dtype(dtype)
    except TypeError:
        raise DataError(f"no such dtype: {dtype!r}; write float32, uint8 or the like.") from None
    sizes = {
        "dtype": None if wanted is None else wanted.name,
        "chunk": parse_bytes(chunk),
        "shard": None if shard is None else parse_bytes(shard),
    }
    record = {
        "sources": [g.facts() for g in given],
        "options": {"kind": found, **of_reader, **sizes},
    }
    with alone(target), whole(target, INGEST, overwrite, "ingest") as partial:
        left = begun(partial)
        if left and left["ingest"] != record and not overwrite:
            raise OutputExistsError(
                f"{target} was begun {_difference(left['ingest'], record)}. Give what was given "
                "then to go on with it, or pass --overwrite to begin anew."
            )
        going_on = bool(left) and left["ingest"] == record
        if not going_on or "done" in left:
            files = [file for g in given for file in g.files]
            skipped = left["skipped"] if going_on else []
            with _far(names), closing(_reader(found, files, wanted, skipped, of_reader)) as source:
                _fill(partial, source, wanted, record, going_on, watch)
    made: zarr.Array[Any] = open_zarr(target, None)
    return made


def _fill(
    partial: Path,
    source: Source,
    wanted: np.dtype[Any] | None,
    record: dict[str, Any],
    going_on: bool,
    watch: Sequence[Watch],
) -> None:
    form, options = source.form, record["options"]
    dtype = form.dtype if wanted is None else wanted
    Layout((1 if form.n is None else form.n, *form.row_shape), form.features, dtype)  # refuses
    shard = options["shard"]
    chunks, step = plan(form, dtype.itemsize, options["chunk"], shard or 8 * options["chunk"])
    if not going_on:
        create(partial, form, dtype, chunks, step, shard is not None, record)
    try:
        write(partial, source, step, watch)
    except DataError:  # it will take other sources, or another command
        shutil.rmtree(partial)
        raise


def _reader(
    kind: str,
    files: list[File],
    dtype: np.dtype[Any] | None,
    skipped: list[str],
    given: dict[str, Any],
) -> Source:
    if kind in ("npy", "npz"):
        return Npy(files, kind == "npz", given["variable"])
    if kind == "csv":
        return Csv(files, given["columns"], dtype, not given["no_header"], given["delimiter"])
    if kind == "parquet":
        return Parquet(files, given["columns"], dtype)
    if kind == "geotiff":
        return GeoTiff(files, dtype)
    return Images(files, kind == "tar", given["skip_bad"], skipped)


@contextmanager
def _far(sources: Sequence[str]) -> Iterator[None]:
    """Servers and object stores have errors of their own."""
    try:
        yield
    except (StreamkmError, OSError):
        raise
    except Exception as error:
        if not any("://" in source for source in sources):
            raise
        raise ReadError(
            f"{' '.join(sources[:3])} could not be read ({type(error).__name__}: {error}). Run the "
            "same command to go on, or ingest a copy on this machine."
        ) from error


def _difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    """The first thing in which two runs differ, in words."""
    for name, value in before["options"].items():
        if value != now["options"].get(name):
            return f"with {name} {value}, and now it is {now['options'].get(name)}"
    for old, new in zip(before["sources"], now["sources"], strict=False):
        if old != new:
            then, at_present = _counted(old), _counted(new)
            if old["source"] == new["source"] and then == at_present:
                return f"from {old['source']}, which was written to since"
            return f"from {old['source']} ({then}), and now it is {new['source']} ({at_present})"
    return f"from {len(before['sources'])} sources, and now there are {len(now['sources'])}"


def _counted(facts: dict[str, Any]) -> str:
    files = facts["files"]
    return f"{files:,} file{'s' * (files > 1)}, {show_bytes(facts['bytes'])}"
