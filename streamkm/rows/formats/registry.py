"""The formats of files that are read in place, and the one decision which of them is at a path."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from streamkm.errors import DataError
from streamkm.files.find import GRIB, HDF5, ZARR, File, entries
from streamkm.files.names import TIFFS, order_notice
from streamkm.rows.damaged import damage
from streamkm.rows.formats.arrow_ipc import MAGIC, ArrowIpc
from streamkm.rows.formats.base import FileArray
from streamkm.rows.formats.engines import engine_of, find_by_engine, open_by_engine
from streamkm.rows.formats.geotiff import find_geotiff, open_geotiff
from streamkm.rows.formats.hdf5 import find_hdf5, open_hdf5
from streamkm.rows.formats.hugging_face import shards_in
from streamkm.rows.formats.lance import Lance, manifest_in
from streamkm.rows.formats.netcdf3 import find_netcdf3, open_netcdf3
from streamkm.rows.formats.npy import find_npy, open_npy
from streamkm.rows.formats.parquet import Parquet
from streamkm.rows.formats.tables import TableFormat, find_column, has_columns, open_table

_HEAD = 16  # bytes


@dataclass(frozen=True)
class Format:
    """A format of files.

    Parameters
    ----------
    name : name for messages
    suffixes : lower-case endings of the names of such files
    magic : first bytes of such files, which decide before the name
    open : returns the array of some files, by its name, or the only one
    find : returns the array of a name in some files, or None
    table : how the tables are read whose columns are the features, or None for other files
    """

    name: str
    suffixes: tuple[str, ...]
    magic: tuple[bytes, ...]
    open: Callable[[Sequence[File], str | None], FileArray]
    find: Callable[[Sequence[File], str], FileArray | None]
    table: TableFormat | None = None


def _of_tables(
    name: str, suffixes: tuple[str, ...], magic: tuple[bytes, ...], table: TableFormat
) -> Format:
    def open_one(files: Sequence[File], name: str | None) -> FileArray:
        return open_table(table, files, None if name is None else [name])

    return Format(name, suffixes, magic, open_one, partial(find_column, table), table)


def _by_engine(
    name: str, engine: str, suffixes: tuple[str, ...] = (), magic: tuple[bytes, ...] = ()
) -> Format:
    opens, finds = partial(open_by_engine, engine), partial(find_by_engine, engine)
    return Format(name, suffixes, magic, opens, finds)


_ARROW = _of_tables("Arrow", (".arrow", ".feather", ".ipc"), (MAGIC,), ArrowIpc())
_LANCE = _of_tables("Lance", (), (), Lance())
_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"<VRTDataset")
FORMATS = (
    Format(
        "HDF5",
        HDF5,
        (b"\x89HDF\r\n\x1a\n",),
        open_hdf5,
        find_hdf5,
    ),
    Format("netCDF-3", (), (b"CDF\x01", b"CDF\x02"), open_netcdf3, find_netcdf3),
    Format("npy", (".npy",), (b"\x93NUMPY",), open_npy, find_npy),
    _of_tables("Parquet", (".parquet", ".pq"), (b"PAR1",), Parquet()),
    Format("GeoTIFF", TIFFS, _TIFF_MAGIC, open_geotiff, find_geotiff),
    _ARROW,
    _by_engine("GRIB", "cfgrib", GRIB, (b"GRIB",)),
)
_SUFFIXES = tuple(suffix for format in FORMATS for suffix in format.suffixes)


@dataclass(frozen=True)
class Located:
    """Files of one format at a path.

    Parameters
    ----------
    format : Format
    files : tuple of File, in the order of their names
    """

    format: Format
    files: tuple[File, ...]

    def open(self, name: str | None) -> FileArray:
        """Open the array of a name, or the only one."""
        with damage(self.files[0].path):
            return noticed(self.format.open(self.files, name))

    def find(self, name: str) -> FileArray | None:
        """Return the array of a name, or None."""
        with damage(self.files[0].path):
            return self.format.find(self.files, name)

    def has(self, names: Sequence[str]) -> bool:
        """Return whether there are arrays or columns of all these names."""
        if self.format.table is not None:
            with damage(self.files[0].path):
                return has_columns(self.format.table, self.files, names)
        return all(self.find(name) is not None for name in names)


def noticed(array: FileArray) -> FileArray:
    """Return the array with a notice if numbers in the names of its files suggest another order."""
    found = order_notice([file.path for file in array.files])
    if found is None:
        return array
    notices = [*array.attrs.get("notices", []), list(found)]
    return replace(array, attrs={**array.attrs, "notices": notices})


def located(path: str | os.PathLike[str]) -> Located | None:
    """Return the files at a path that are read in place; None for Zarr stores and other data.

    A folder that is no Zarr store holds the files of one format at any depth; others are ignored.

    Parameters
    ----------
    path : path or URL of a file or a folder, or a pattern of names

    Raises
    ------
    DataError
        If a folder or pattern has files of several formats.
    """
    where = os.fspath(path)
    if not _may_be_files(where):
        return None
    dataset = _dataset_in(Path(where)) if Path(where).is_dir() else None
    if dataset is not None:
        return dataset
    fs, found, searched = entries(where, _SUFFIXES)
    names = [name for name in sorted(found) if found[name]["type"] == "file"]
    files = [File.from_info(fs, name, found[name]) for name in names if not _is_hidden(name)]
    if not searched:
        format = _of_content(files[0]) or _of_name(where) or _of_engine(files)
        return None if format is None else Located(format, tuple(files))
    by_format: dict[str, list[File]] = {}
    for file in files:
        format = _of_name(file.path)
        if format is not None:
            by_format.setdefault(format.name, []).append(file)
    if len(by_format) > 1:
        raise DataError(
            f"{where} has files of several formats ({', '.join(sorted(by_format))}): name those of "
            "one format by a pattern, such as 'folder/*.npy'."
        )
    for name, own in by_format.items():
        format = _of_content(own[0]) or next(f for f in FORMATS if f.name == name)
        return Located(format, tuple(own))
    other = _of_engine(files)
    return None if other is None else Located(other, tuple(files))


def _dataset_in(folder: Path) -> Located | None:
    """Return the files of a folder whose metadata list them, in their order."""
    manifest = manifest_in(folder)
    shards = [manifest] if manifest else shards_in(folder)
    if shards is None:
        return None
    fs = entries(str(shards[0]))[0]
    paths = [str(path.absolute()) for path in shards]
    return Located(
        _ARROW if manifest is None else _LANCE,
        tuple(File.from_info(fs, path, fs.info(path)) for path in paths),
    )


def _may_be_files(where: str) -> bool:
    """Return whether something other than a Zarr store may be at a path; a URL shows its format."""
    if "://" in where or "::" in where:
        return _of_name(where) is not None
    there = Path(where)
    if there.is_dir():
        return not any((there / name).exists() for name in ZARR)
    return there.is_file() or any(sign in where for sign in "*?[")


def _of_name(name: str) -> Format | None:
    stem = name.split("?")[0].lower()
    return next((f for f in FORMATS if f.suffixes and stem.endswith(f.suffixes)), None)


def _of_content(file: File) -> Format | None:
    with damage(file.path, OSError), file.open() as stream:
        head = stream.read(_HEAD)
    return next((f for f in FORMATS if any(head.startswith(m) for m in f.magic)), None)


def _of_engine(files: Sequence[File]) -> Format | None:
    """Return the format of files of one suffix that an engine of xarray claims, or None."""
    if len({os.path.splitext(file.name)[1] for file in files}) != 1:
        return None
    engine = engine_of(files[0])
    return None if engine is None else _by_engine(engine, engine)


def _is_hidden(name: str) -> bool:
    return name.rpartition("/")[2].startswith((".", "_"))
