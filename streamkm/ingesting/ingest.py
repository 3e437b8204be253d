"""``streamkm.ingest``: from the names of files to a complete store."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from streamkm.checkpoint import Record, may_resume
from streamkm.errors import DataError, ReadError, StreamkmError
from streamkm.files.names import order_notice, source_names
from streamkm.ingesting.find import SourceFiles, find
from streamkm.ingesting.plan import plan
from streamkm.ingesting.registry import KINDS, KindOptions, SourceRequest, dtype_of
from streamkm.ingesting.source import Form, Source
from streamkm.ingesting.write import create, record_in, remaining_marks, write
from streamkm.outputs import INGEST, alone, check_store, whole
from streamkm.progress import PhaseCallback
from streamkm.rows import memory_here
from streamkm.rows.layout import Layout
from streamkm.rows.paths import open_zarr
from streamkm.sizes import parse_bytes, show_bytes


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
    srgb: bool = False,
    frames: bool = False,
    id: str | None = None,
    dtype: Any = None,
    chunk: str | int = "4MiB",
    shard: str | int | None = "8MiB",
    overwrite: bool = False,
    watch: Sequence[PhaseCallback] = (),
) -> zarr.Array[Any]:
    """Turn files into a Zarr store for `KMeans` and ``streamkm fit``.

    Rows are streamed: memory holds one shard and the buffers of the reader. A run that was killed
    leaves a hidden folder beside `out`; the same call resumes it and writes the same bytes.

    Parameters
    ----------
    sources : path, URL, folder or pattern, or several of them
        Files of one kind: npy, npz, CSV, Parquet, GeoTIFF, images, or tars of images.
    out : str or path-like
        Folder of the store, which appears there when it is complete.
    kind : {'npy', 'npz', 'csv', 'parquet', 'geotiff', 'images', 'tar'} or None
        Kind of the files; by default the kind of their names.
    columns : sequence of str, or None
        Names of the columns of a table; by default all numeric columns.
    variable : str or None
        Name of an array in an npz file.
    no_header : bool
        Whether the first line of a CSV file is data.
    delimiter : str or None
        Character between the values of a CSV file.
    skip_bad : bool
        Whether damaged images are left out; their names are stored in the attribute ``skipped``.
    srgb : bool
        Whether colours of images of 8 bits are converted to sRGB by their ICC profile.
    frames : bool
        Whether each frame of an animation is an image; otherwise the first frame is.
    id : str or None
        Column of a Parquet table whose integers or texts identify the rows. It is stored beside the
        rows, as a coordinate of its name, and is a feature only if `columns` names it.
    dtype : dtype or None
        Dtype of the store; by default that of the source.
    chunk : int or str
        Decoded bytes of a chunk, such as '4MiB'.
    shard : int, str or None
        Decoded bytes of a shard; None for chunks without shards.
    overwrite : bool
        Whether to replace a store that streamkm wrote at `out`, and an unfinished one.
    watch : sequence of callable
        Each is called with a `Progress` after every shard.

    Returns
    -------
    zarr.Array
        The store, opened for reading.

    Raises
    ------
    DataError
        If the sources cannot be read as one array; the message names the file and the fix.
    OutputExistsError
        If something exists at `out`.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np, streamkm
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/x.npy", np.eye(4))
    ...     streamkm.ingest(f"{folder}/x.npy", f"{folder}/x.zarr").shape
    (4, 4)
    """
    names = source_names(sources)
    if kind is not None and kind not in KINDS:
        raise DataError(f"kind={kind!r} is not known; use one of {', '.join(sorted(KINDS))}.")
    twice = [name for name in columns or () if list(columns or ()).count(name) > 1]
    if twice:
        raise DataError(f"the column {twice[0]!r} is named twice; name each column once.")
    target = check_store(out, INGEST, overwrite, names)
    kind, found = find(names, kind)
    names_of_columns = None if columns is None else list(columns)
    options = KindOptions(
        names_of_columns, variable, no_header, delimiter, skip_bad, id, srgb, frames
    )
    _check_options(kind, options)
    wanted = dtype_of(dtype)
    sizes = {
        "dtype": None if wanted is None else wanted.name,
        "chunk": _size("chunk", chunk),
        "shard": None if shard is None else _size("shard", shard),
    }
    asked = {"kind": kind, **asdict(options), **sizes}
    record = Record(INGEST, asked, {"sources": [each.facts() for each in found]})
    with alone(target), whole(target, INGEST, overwrite, "ingest") as partial:
        left = remaining_marks(partial)
        resumes = may_resume(record_in(left), record, partial, overwrite)
        if not resumes or "done" in left:
            files = [file for each in found for file in each.files]
            request = SourceRequest(files, wanted, options, left["skipped"] if resumes else [])
            with _remote_errors(names):
                reader = KINDS[kind].reader(request)
            _notice_order(reader.form, found)
            with _remote_errors(names), closing(reader) as source:
                _fill(partial, source, wanted, record, resumes, watch)
    made: zarr.Array[Any] = open_zarr(target, None)
    return made


def _notice_order(form: Form, found: Sequence[SourceFiles]) -> None:
    """Add a notice for sources in which the numbers of the names suggest another order."""
    each = (order_notice([file.path for file in source.files]) for source in found)
    notices = [list(notice) for notice in each if notice is not None]
    if notices:
        form.attributes["notices"] = [*form.attributes.get("notices", []), *notices]


def _size(name: str, given: str | int) -> int:
    """Return the bytes of a chunk or a shard, which memory holds several times."""
    nbytes, there = parse_bytes(given), memory_here()
    if nbytes < 1 or (there and nbytes > there // 8):
        most = f" to {show_bytes(there // 8)}" if there else ""
        raise DataError(
            python=f"{name}={given!r}: give 1 byte{most}.",
            command=f"--{name} {given}: give 1 byte{most}.",
        )
    return nbytes


def _fill(
    partial: Path,
    source: Source,
    wanted: np.dtype[Any] | None,
    record: Record,
    resumes: bool,
    watch: Sequence[PhaseCallback],
) -> None:
    form = source.form
    dtype = form.dtype if wanted is None else wanted
    Layout((1 if form.n is None else form.n, *form.row_shape), form.features, dtype)  # checks
    chunk, shard = record.asked["chunk"], record.asked["shard"]
    assert isinstance(chunk, int)
    assert isinstance(shard, int | None)
    chunks, step = plan(form, dtype.itemsize, chunk, shard or 8 * chunk)
    if not resumes:
        create(partial, form, dtype, chunks, step, shard is not None, record)
    try:
        write(partial, source, step, watch)
    except DataError:  # only other sources or another command can succeed
        shutil.rmtree(partial)
        raise


def _check_options(kind: str, options: KindOptions) -> None:
    """Raise an error for an option that the kind of the files does not take."""
    for option, value in asdict(options).items():
        if value not in (None, False) and option not in KINDS[kind].options:
            kinds = sorted(name for name, each in KINDS.items() if option in each.options)
            end = f"is for {' and '.join(kinds)}, not for {kind}."
            raise DataError(python=f"{option} {end}", command=f"--{option.replace('_', '-')} {end}")


@contextmanager
def _remote_errors(sources: Sequence[str]) -> Iterator[None]:
    """Convert errors of servers and object stores to a `ReadError` that names the sources."""
    try:
        yield
    except (StreamkmError, OSError):
        raise
    except Exception as error:
        if not any("://" in source for source in sources):
            raise
        raise ReadError(
            f"{' '.join(sources[:3])} could not be read ({type(error).__name__}: {error}). Run the "
            "same command to resume, or ingest a copy on this machine."
        ) from error
