"""Files in any location: how they are listed and opened."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import PurePosixPath
from typing import Any

from streamkm.errors import DataError, ReadError
from streamkm.files.near import did_you_mean

HDF5 = (".h5", ".hdf5", ".hdf", ".he5", ".nc", ".nc4", ".cdf", ".netcdf")
GRIB = (".grib", ".grib2", ".grb", ".grb2")
ZARR = ("zarr.json", ".zgroup", ".zarray")  # the root of a Zarr store has one of these files
_PACKAGES = {"PIL": "pillow", "lance": "pylance"}
_EXTRAS = {"cfgrib": "grib", "h5py": "netcdf", "lance": "lance", "matplotlib": "plot"}
_OTHERS = 20_000  # entries of other kinds after which the search of a local folder ends
# The first of these keys that a file system reports shows whether a file has been written.
_STAMPS = ("mtime", "ETag", "etag", "LastModified", "last_modified", "updated", "created")


@dataclass(frozen=True, slots=True)
class File:
    """A file in a file system of fsspec.

    Parameters
    ----------
    fs : file system of fsspec
    path : path in the file system
    size : bytes
    stamp : changes when the file is written, if its file system reports it
    """

    fs: Any
    path: str
    size: int
    stamp: str

    @classmethod
    def from_info(cls, fs: Any, path: str, info: dict[str, Any]) -> File:
        """Return the file that a file system describes."""
        stamp = next((str(info[key]) for key in _STAMPS if info.get(key) is not None), "")
        return cls(fs, path, int(info.get("size") or 0), stamp)

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
        except Exception as error:  # file systems of networks have errors of their own
            raise ReadError(f"{self.path} cannot be opened: {error}") from error


def need(module: str, what: str) -> Any:
    """Import a package of an extra.

    Raises
    ------
    DataError
        If it is missing; the message names the extra.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        name = module.split(".")[0]
        package, extra = _PACKAGES.get(name, name), _EXTRAS.get(name, "ingest")
        raise DataError(f"{what} need {package}: pip install 'streamkm[{extra}]'.") from error


def other_kind(path: str) -> str:
    """Return advice for data that `ingest` does not open; empty if there is none.

    Examples
    --------
    >>> other_kind("scene.zarr.zip")
    'is a Zarr store already: pass its path to streamkm fit or KMeans.'
    """
    name = path.lower()
    if name.endswith((".zarr", ".zarr.zip")):
        return "is a Zarr store already: pass its path to streamkm fit or KMeans."
    if name.endswith(HDF5 + GRIB):
        return "is read in place: pass its path to streamkm fit or KMeans."
    return ""


def file_system(source: str) -> tuple[Any, str]:
    """Return the file system of a path or URL, and the path in it.

    Raises
    ------
    DataError
        If there is no such protocol, or its package is missing.
    """
    url_to_fs = need("fsspec.core", "sources").url_to_fs
    try:
        fs, path = url_to_fs(source)
    except (ImportError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{source} cannot be reached ({type(error).__name__}: {error}).") from error
    return fs, path


def entries(source: str, suffixes: tuple[str, ...] = ()) -> tuple[Any, dict[str, Any], bool]:
    """List the entries of a path, URL, folder or pattern.

    Parameters
    ----------
    source : path or URL
    suffixes : lower-case endings of the files that are meant; empty if all are

    Returns
    -------
    fs : file system of fsspec
    entries : information of `fs` about each path
    searched : False if the source is a single file

    Raises
    ------
    DataError
        If nothing is there, it cannot be reached, or a local folder has very many other entries
        than those that are meant.
    """
    fs, path = file_system(source)
    try:
        fs.invalidate_cache()  # file systems cache listings for the lifetime of the process
        if any(sign in path for sign in "*?[") and not fs.exists(path):
            return fs, fs.glob(path, detail=True), True
        found = fs.info(path)
        if found["type"] == "directory":
            if suffixes and File(fs, path, 0, "").local:
                return fs, _search(fs, path, suffixes), True
            return fs, fs.find(path, detail=True), True
    except DataError:
        raise
    except FileNotFoundError:
        near = "" if "://" in source else did_you_mean(source)
        raise DataError(f"{source}: there is no such file or folder.{near}") from None
    except Exception as error:  # object stores have their own errors
        raise DataError(
            f"{source} cannot be reached ({type(error).__name__}: {error}); check the "
            "address, the credentials and the network."
        ) from error
    return fs, {path: found}, False


def _search(fs: Any, folder: str, suffixes: tuple[str, ...]) -> dict[str, Any]:
    """Return the files below a local folder, unless nearly all of its many entries are others."""
    found: dict[str, Any] = {}
    others = 0
    for _, folders, files in fs.walk(folder, detail=True):
        meant = sum(name.lower().endswith(suffixes) for name in files)
        others += len(folders) + len(files) - meant
        if others > _OTHERS:
            raise DataError(
                f"{folder} has more than {_OTHERS:,} folders and files that are no data: name the "
                "folder or the file of the data."
            )
        found |= {info["name"]: info for info in files.values()}
    return found
