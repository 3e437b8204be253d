"""Arrow IPC files (Feather) and streams on this machine, read by pyarrow as memory maps."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from streamkm.errors import DataError
from streamkm.files.find import File, need
from streamkm.rows.formats.tables import Batches, TableFormat, TableHead

MAGIC = b"ARROW1\0\0"


@dataclass(frozen=True)
class ArrowIpc(TableFormat):
    """Arrow, whose record batches are the units of blocks.

    A file contains a stream, whose messages are skipped without reading the values. Record batches
    of files are found by their list, and those of streams by the positions of the messages.
    """

    def head(self, file: File) -> TableHead:
        with _mapped(file) as (source, is_file):
            schema = _open(source, is_file).schema
            lengths = [length for _, length in _record_batches(source, is_file)]
        return TableHead(schema, lengths)  # missing values are known only when they are read

    def batches(self, file: File, group: int, columns: Sequence[str], rows: int) -> Batches:
        import pyarrow as pa

        with _mapped(file) as (source, is_file):
            reader = _open(source, is_file)
            if is_file:
                fields = sorted(reader.schema.get_field_index(name) for name in columns)
                options = pa.ipc.IpcReadOptions(included_fields=fields)
                batch = pa.ipc.open_file(source, options=options).get_batch(group)
            else:
                position = list(_record_batches(source, is_file))[group][0]
                source.seek(position)
                batch = pa.ipc.read_record_batch(pa.ipc.read_message(source), reader.schema)
            yield batch.select(list(columns))


@contextmanager
def _mapped(file: File) -> Iterator[tuple[Any, bool]]:
    """Map a file into memory; yield it, and whether it is a file with a list of its batches."""
    arrow = need("pyarrow", "Arrow files")
    if not file.local:
        raise DataError(f"{file.path} is an Arrow file, which is read on this machine: copy it.")
    try:
        with arrow.memory_map(file.path) as source:
            is_file = source.read(len(MAGIC)) == MAGIC
            yield source, is_file
    except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError) as error:
        raise DataError(f"{file.path} cannot be read as Arrow: {error}") from error


def _open(source: Any, is_file: bool) -> Any:
    import pyarrow as pa

    source.seek(0)
    return pa.ipc.open_file(source) if is_file else pa.ipc.open_stream(source)


def _record_batches(source: Any, is_file: bool) -> Iterator[tuple[int, int]]:
    """Yield the position of the message of each record batch, and its number of rows."""
    import pyarrow as pa

    source.seek(len(MAGIC) if is_file else 0)
    while True:
        position = source.tell()
        try:
            message = pa.ipc.read_message(source)
        except EOFError:
            return
        if message.type == "record batch":
            yield position, _length(message.metadata.to_pybytes())


def _length(metadata: bytes) -> int:
    """Return the rows of a record batch: the first field of the header, in FlatBuffers' layout."""
    header = _field(metadata, _int(metadata, 0), 2)
    place = _field(metadata, header + _int(metadata, header), 0)
    return int(struct.unpack_from("<q", metadata, place)[0]) if place else 0


def _field(metadata: bytes, table: int, number: int) -> int:
    """Return the position of a field of a table of FlatBuffers, or 0 for its default."""
    offsets = table - _int(metadata, table)
    at = 4 + 2 * number
    if at >= struct.unpack_from("<H", metadata, offsets)[0]:
        return 0
    offset = int(struct.unpack_from("<H", metadata, offsets + at)[0])
    return table + offset if offset else 0


def _int(metadata: bytes, at: int) -> int:
    return int(struct.unpack_from("<i", metadata, at)[0])
