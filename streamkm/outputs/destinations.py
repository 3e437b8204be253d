"""Destinations of a run: stores, files and folders, each with its own checks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from streamkm.errors import DataError, OutputExistsError
from streamkm.outputs.atomic import check_free, recover
from streamkm.outputs.label_files import FORMATS, label_format
from streamkm.outputs.marks import KEEP, LABELS, NEAREST, SWEEP, kind_of, zarr_around
from streamkm.outputs.writable import (
    Name,
    check_parent,
    local,
    named,
    refuse_in_a_store,
    try_writing,
)

# Suffixes of kinds of files that people may expect; a Zarr store may have any other name.
_TABLES = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".xlsx", ".avro", ".orc", ".db", ".lance")
_ARROW = (".parquet", ".pq", ".arrow", ".feather", ".ipc")
_ARRAYS = (".nc", ".nc4", ".cdf", ".h5", ".hdf5", ".hdf", ".he5", ".npy", ".npz", ".mat")
_MAPS = (".tif", ".tiff", ".gtiff", ".cog", ".vrt", ".jp2", ".img", ".geojson", ".gpkg", ".shp")
_OTHERS = (".png", ".jpg", ".jpeg", ".zip", ".tar", ".gz", ".pkl", ".pickle", ".joblib")
_OF_FILES = frozenset((*_TABLES, *_ARROW, *_ARRAYS, *_MAPS, *_OTHERS))
_FILES_OF = {NEAREST: (".npy", ".parquet"), KEEP: (".npy", ".parquet")}


class Output(Protocol):
    """An output of a run."""

    @property
    def path(self) -> Any: ...

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Suffixes of the files that it writes; empty if it uses the whole path exclusively."""
        ...

    def check(self) -> None:
        """Raise an error if it cannot be written."""
        ...


@dataclass(frozen=True)
class Store:
    """A Zarr store: a model, labels, a sweep, an archive or ingested data.

    Parameters
    ----------
    path : local path or file:// URL
    kind : the `kind` attribute that it will have
    overwrite : whether a store of that kind may be replaced
    part_of : the Zarr group inside which it belongs, such as an OME-Zarr image, or None
    """

    path: Name
    kind: str
    overwrite: bool
    suffixes: tuple[str, ...] = ()
    part_of: Path | None = None

    expected: ClassVar[str] = ""  # a suffix of files that it may have

    def check(self) -> None:
        target = local(self.path)
        suffix = Path(os.fspath(self.path)).suffix.lower()
        is_new = self.part_of is None and not target.exists()
        if is_new and suffix in _OF_FILES and suffix != self.expected:
            raise DataError(
                f"{self.path} would be a Zarr store, which is a folder, and not a {suffix} file; "
                f"give it the suffix .zarr{_or_formats(self.kind)}."
            )
        recover(target)
        check_free(target, self.overwrite, self.kind)
        check_parent(target)
        around = zarr_around(target.parent)
        if around and not (self.part_of and around.is_relative_to(self.part_of)):
            raise OutputExistsError(
                f"{self.path} lies inside {around}, which is a {kind_of(around) or 'Zarr store'}; "
                "name a place outside it."
            )
        try_writing(target)


class ParquetFolder(Store):
    """A folder of Parquet files, which is marked like a store."""

    expected = ".parquet"


def _or_formats(kind: str) -> str:
    """Return the other suffixes of outputs of a kind, as the end of a sentence."""
    files = [each.suffix for each in FORMATS] if kind == LABELS else _FILES_OF.get(kind)
    if files:
        return f", or one of {', '.join(files)} for a file of that format"
    return ". A sweep can be converted afterwards, with xarray.open_zarr" if kind == SWEEP else ""


@dataclass(frozen=True)
class File:
    """A plain file, such as a picture.

    Parameters
    ----------
    path : local path or file:// URL
    suffixes : suffixes that it may have
    overwrite : whether a file that exists may be replaced
    remote : whether it may be a URL of another file system
    """

    path: Name
    suffixes: tuple[str, ...]
    overwrite: bool
    remote: bool = False

    def check(self) -> None:
        if self.remote and named(self.path).local is None:
            return
        target = local(self.path)
        if target.suffix.lower() not in self.suffixes:
            one = "one of the suffixes" if len(self.suffixes) > 1 else "the suffix"
            raise DataError(f"{self.path} needs {one} {', '.join(self.suffixes)}.")
        check_parent(target)
        refuse_in_a_store(self.path, target)
        if target.is_dir():
            raise OutputExistsError(f"{self.path} is a folder; name a file.")
        if target.exists() and not self.overwrite:
            raise OutputExistsError(
                f"{self.path} exists; name another file, or",
                python="overwrite it with overwrite=True.",
                command="replace it with --overwrite.",
            )
        try_writing(target)


class LabelFile(File):
    """A file of labels, which grow in a hidden store beside it."""

    def check(self) -> None:
        """Raise an error if it cannot be written, or a package of its format is missing."""
        known = label_format(self.path)
        assert known is not None
        known.check()
        recover(local(self.path))
        super().check()


def label_output(path: Name, overwrite: bool) -> Store | LabelFile:
    """Return the output of labels: a file if its suffix is that of a format, otherwise a store.

    Examples
    --------
    >>> type(label_output("labels.nc", False)).__name__
    'LabelFile'
    """
    known = label_format(path)
    if known is None:
        return Store(path, LABELS, overwrite)
    return LabelFile(path, known.suffixes, overwrite)


@dataclass(frozen=True)
class Folder:
    """A folder of plain files.

    Parameters
    ----------
    path : local path or file:// URL
    suffixes : suffixes of the files
    overwrite : whether the folder may contain files already
    """

    path: Name
    suffixes: tuple[str, ...]
    overwrite: bool

    def check(self) -> None:
        target = local(self.path)
        if target.exists() and not target.is_dir():
            raise OutputExistsError(f"{self.path} is a file; name a folder.")
        check_parent(target)
        refuse_in_a_store(self.path, target)
        if target.is_dir() and any(target.iterdir()) and not self.overwrite:
            raise OutputExistsError(
                f"{self.path} is not empty; name another folder, or pass --overwrite."
            )
        try_writing(target / "x" if target.is_dir() else target)


@dataclass(frozen=True)
class CheckpointOutput:
    """A checkpoint, which is checked when it is opened."""

    path: Any
    suffixes: tuple[str, ...] = ()

    def check(self) -> None:
        """Check nothing."""
