"""Files that are given as sources: their kinds, and how they are opened."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import PurePosixPath
from typing import Any

from streamkm.errors import DataError, LeftOutWarning, ReadError
from streamkm.files.unread import unread

SUFFIXES = {
    "npy": (".npy",),
    "npz": (".npz",),
    "csv": (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".csv.bz2", ".tsv.bz2"),
    "parquet": (".parquet", ".pq"),
    "geotiff": (".tif", ".tiff"),
    "images": (
        *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".avif"),
        *(".ppm", ".pgm", ".pbm", ".pnm"),
    ),
    "tar": (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"),
}
_HDF5 = (".h5", ".hdf5", ".hdf", ".he5")
_XARRAY = (".nc", ".nc4", ".cdf", ".grib", ".grib2", ".grb", ".grb2")
# The first of these keys that a file system reports shows whether a file has been written.
_STAMPS = ("mtime", "ETag", "etag", "LastModified", "last_modified", "updated", "created")


@dataclass(frozen=True, slots=True)
class File:
    """A file in a file system of fsspec."""

    fs: Any
    path: str
    size: int
    stamp: str

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def local(self) -> bool:
        protocol = self.fs.protocol
        return "file" in ([protocol] if isinstance(protocol, str) else protocol)

    def open(self, compression: str | None = None) -> Any:
        """Open the file; it is seekable unless it is compressed.

        Raises
        ------
        ReadError
            If the file cannot be opened; the message names it.
        """
        try:
            return self.fs.open(self.path, "rb", compression=compression)
        except OSError as error:
            raise ReadError(f"{self.path} cannot be opened: {error}") from error


@dataclass(frozen=True)
class Given:
    """The files of one argument."""

    source: str
    files: tuple[File, ...]

    def facts(self) -> dict[str, Any]:
        """Return a short description of the files, which a resumed run compares."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(f"{file.path}\0{file.size}\0{file.stamp}\n".encode())
        size = sum(file.size for file in self.files)
        return {
            "source": self.source,
            "files": len(self.files),
            "bytes": size,
            "names, sizes and times": digest.hexdigest(),
        }


def need(module: str, what: str) -> Any:
    """Import a package that only some kinds of files need.

    Raises
    ------
    DataError
        If it is missing; the message names the extra.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = {"PIL": "pillow"}.get(module.split(".")[0], module.split(".")[0])
        raise DataError(f"{what} need {package}: pip install 'streamkm[ingest]'.") from error


def kind_of(path: str) -> str | None:
    """Return the kind of a file by its name, or None.

    Examples
    --------
    >>> kind_of("a/b.CSV.gz"), kind_of("b.tar"), kind_of("notes.txt")
    ('csv', 'tar', None)
    """
    name = path.lower()
    return next((kind for kind, ends in SUFFIXES.items() if name.endswith(ends)), None)


def find(sources: Sequence[str | os.PathLike[str]], kind: str | None) -> tuple[str, list[Given]]:
    """Return the kind of all files, and the files of each argument in the order of their names.

    Parameters
    ----------
    sources : paths, URLs, folders or patterns
    kind : one of `SUFFIXES`, or None to decide by the names

    Raises
    ------
    DataError
        If there are no files, or they have several kinds or an unknown one.
    """
    given = [Given(os.fspath(s), _files(os.fspath(s), kind)) for s in sources]
    kinds = sorted({k for g in given for f in g.files if (k := kind or kind_of(f.path))})
    if len(kinds) > 1:
        raise DataError(
            f"there are files of several kinds ({', '.join(kinds)}); one store holds one: "
            "name the files, or pass --kind."
        )
    return kinds[0], given


def other_kind(path: str) -> str:
    """Return advice for data that are not opened by ingest; empty if there is none.

    Examples
    --------
    >>> other_kind("scene.zarr.zip")
    'is a Zarr store as it is: streamkm fit and KMeans take its path.'
    """
    name = path.lower()
    if name.endswith((".zarr", ".zarr.zip")):
        return "is a Zarr store as it is: streamkm fit and KMeans take its path."
    if name.endswith(_HDF5):
        return (
            "is an HDF5 file: in Python, h5py.File(path)['name'] goes to KMeans. For the command "
            "line, write it once: dask.array.from_array(dataset).to_zarr('x.zarr')."
        )
    if name.endswith(_XARRAY):
        return (
            "is opened by xarray: in Python, xarray.open_dataset(path, chunks={}) goes to KMeans. "
            "For the command line, write it once: xarray.open_dataset(path, chunks={})"
            ".to_zarr('x.zarr')."
        )
    return ""


def _files(source: str, kind: str | None) -> tuple[File, ...]:
    fs, found, searched = entries(source)
    files = tuple(
        File(fs, path, int(info.get("size") or 0), stamp(info))
        for path, info in sorted(found.items())
        if info["type"] == "file" and (not searched or _wanted(path, kind))
    )
    known = ", ".join(end for k, ends in SUFFIXES.items() if kind in (None, k) for end in ends)
    others = [path for path, info in sorted(found.items()) if info["type"] == "file"]
    images = [path for path in others if kind in (None, "images") and unread(path)]
    if kind is not None and not searched:
        images = []  # the content may have another kind than the name
    if not files or (not searched and images):
        why = f": {unread(images[0])}." if images else f" ({known})."
        raise DataError(f"{source} holds no files that can be read here{why}")
    if images and {kind_of(file.path) for file in files} <= {"images", "geotiff"}:
        more = f" and {len(images) - 1:,} more" if len(images) > 1 else ""
        warnings.warn(
            f"left out {images[0]}{more}: {unread(images[0])}", LeftOutWarning, stacklevel=2
        )
    if not searched and kind is None and kind_of(source.split("::")[0]) is None:
        other = other_kind(source)
        raise DataError(
            f"{source} {other}"
            if other
            else f"{source} is of no known kind ({known}); say which by --kind."
        )
    return files


def entries(source: str) -> tuple[Any, dict[str, Any], bool]:
    """List the entries of a path, URL, folder or pattern.

    Returns
    -------
    fs : file system of fsspec
    entries : information of `fs` about each path
    searched : False if the source is a single file

    Raises
    ------
    DataError
        If nothing is there, or it cannot be reached.
    """
    url_to_fs = need("fsspec.core", "sources").url_to_fs
    try:
        fs, path = url_to_fs(source)
        fs.invalidate_cache()  # file systems cache listings for the lifetime of the process
        if any(sign in path for sign in "*?[") and not fs.exists(path):
            return fs, fs.glob(path, detail=True), True
        found = fs.info(path)
        if found["type"] == "directory":
            return fs, fs.find(path, detail=True), True
    except FileNotFoundError:
        raise DataError(f"{source}: there is no such file or folder.") from None
    except Exception as error:  # object stores have their own errors
        raise DataError(
            f"{source} cannot be reached ({type(error).__name__}: {error}); see whether the "
            "address and the credentials are right, and whether there is a network."
        ) from error
    return fs, {path: found}, False


def _wanted(path: str, kind: str | None) -> bool:
    """Return whether a file that was found by a search belongs to the sources."""
    of_kind = kind_of(path)
    hidden = path.rpartition("/")[2].startswith(".")
    meant = kind in (None, of_kind) or (kind, of_kind) == ("images", "geotiff")
    return not hidden and of_kind is not None and meant


def stamp(info: dict[str, Any]) -> str:
    """Return a stamp that changes when the file is written, if its file system reports it."""
    return next((str(info[key]) for key in _STAMPS if info.get(key) is not None), "")
