"""Image files in any location, which any process can open later."""

from __future__ import annotations

import io
import os
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO, cast

from streamkm.errors import ReadError
from streamkm.files.find import File
from streamkm.files.windows import Window, ZipMember

_HEAD = 64 * 1024  # bytes requested from a server at once if only headers are needed
_WHOLE = 256 * 1024**2  # larger files on servers are read in pieces


@dataclass(frozen=True, slots=True)
class Span:
    """Contiguous bytes of a file: the whole file, or a member of a tar.

    Parameters
    ----------
    name : relative name with slashes
    file : the file
    start, size : position and number of the bytes
    """

    name: str
    file: File
    start: int
    size: int

    @property
    def where(self) -> str:
        return self.file.path if self._all else f"{self.name} in {self.file.path}"

    @property
    def local_path(self) -> str | None:
        """Name by which GDAL reads a local file."""
        if not self.file.local:
            return None
        path = self.file.path
        return path if self._all else f"/vsisubfile/{self.start}_{self.size},{path}"

    @property
    def far(self) -> bool:
        """Whether it is a file on a server that is too large to be read at once."""
        return self._all and not self.file.local and self.size > _WHOLE

    @property
    def _all(self) -> bool:
        return self.start == 0 and self.size == self.file.size

    def open(self, all_of_it: bool = False) -> BinaryIO:
        """Open the bytes as a seekable file.

        Parameters
        ----------
        all_of_it : whether everything will be read; a server is then asked for all bytes at once

        Raises
        ------
        ReadError
            If the file cannot be opened.
        """
        file = self.file
        try:
            if file.local:
                opened: Any = open(file.path, "rb")  # noqa: SIM115  # closed by the caller
            elif all_of_it and self.size <= _WHOLE:
                stop = self.start + self.size
                return io.BytesIO(file.fs.cat_file(file.path, start=self.start, end=stop))
            else:
                opened = file.fs.open(file.path, "rb", block_size=_HEAD)
        except Exception as error:  # file systems of networks have errors of their own
            raise ReadError(f"{self.where} cannot be opened: {error}") from error
        if self._all:
            return cast(BinaryIO, opened)
        return cast(BinaryIO, io.BufferedReader(Window(opened, self.start, self.size)))


@dataclass(frozen=True, slots=True)
class Zipped:
    """A member of a zip.

    Parameters
    ----------
    name : relative name with slashes
    file : the zip
    member : name of the member in the zip
    size : unpacked bytes according to the zip
    search : identifies the search that found it, for caches
    """

    name: str
    file: File
    member: str
    size: int
    search: str

    @property
    def where(self) -> str:
        return f"{self.name} in {self.file.path}"

    @property
    def local_path(self) -> None:
        return None

    def open(self, all_of_it: bool = False) -> BinaryIO:
        """Open the bytes; never more than the size that the zip declares.

        Parameters
        ----------
        all_of_it : whether everything will be read; it is then unpacked at once, and its checksum
            is verified
        """
        packed = ZipMember(_zip(self.file, self.search, os.getpid()).open(self.member))
        if all_of_it:
            with packed:
                return io.BytesIO(packed.readall())
        return cast(BinaryIO, io.BufferedReader(packed, _HEAD))


@dataclass(frozen=True, slots=True)
class Held:
    """A file whose bytes are in memory, such as a member of a tar that is read sequentially.

    Parameters
    ----------
    name : name of the image
    content : all bytes
    """

    name: str
    content: bytes

    @property
    def where(self) -> str:
        return self.name

    @property
    def size(self) -> int:
        return len(self.content)

    @property
    def local_path(self) -> None:
        return None

    def open(self, all_of_it: bool = False) -> BinaryIO:
        """Open the bytes as a seekable file."""
        return io.BytesIO(self.content)


@dataclass(frozen=True, slots=True)
class Plane:
    """An image in a Zarr array.

    Parameters
    ----------
    name : relative name with slashes
    store : path or URL of the array
    index : index of the image along each axis of kind ''
    axes : 'y', 'x', 'c' or '' (an axis of `index`) for each axis of the array
    shape : height, width, channels including alpha
    dtype : 'uint8' or 'uint16'
    alpha : whether the last channel is alpha
    held : bytes of the chunks that are decoded for it
    stamp : changes when the array is written, if its store reports it
    search : identifies the search that found it, for caches
    about : JSON object about all images of the array
    notices : assumptions about its dimensions
    """

    name: str
    store: str
    index: tuple[int, ...]
    axes: tuple[str, ...]
    shape: tuple[int, int, int]
    dtype: str
    alpha: bool
    held: int
    stamp: str
    search: str
    about: tuple[tuple[str, Any], ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        return f"{self.name} in {self.store}"


Item = Span | Zipped | Held | Plane


@lru_cache(maxsize=8)
def _zip(file: File, search: str, process: int) -> zipfile.ZipFile:
    """Open a zip once for each process and search, because its directory is read each time.

    It is not shared between searches, because the file may have changed, nor with a forked process,
    which would share the position in the file.
    """
    return zipfile.ZipFile(file.path if file.local else file.open())
