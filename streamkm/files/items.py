"""One image file each, wherever it lies: how to get at its bytes, later and in any process."""

from __future__ import annotations

import io
import os
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO, cast

from streamkm.errors import ReadError
from streamkm.files.find import File

_HEAD = 64 * 1024  # asked of a server at once, where only headers are wanted
_WHOLE = 256 * 1024**2  # of files on servers, larger ones are read in pieces


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes that lie together in a file: all of it, or a member of a tar.

    Parameters
    ----------
    name : relative, with slashes
    file : where they lie
    start, size : which bytes
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
        """A name by which GDAL reads them, of files on this machine."""
        if not self.file.local:
            return None
        path = self.file.path
        return path if self._all else f"/vsisubfile/{self.start}_{self.size},{path}"

    @property
    def far(self) -> bool:
        """Whether it is a file on a server that is too large to read as a whole."""
        return self._all and not self.file.local and self.size > _WHOLE

    @property
    def _all(self) -> bool:
        return self.start == 0 and self.size == self.file.size

    def open(self, all_of_it: bool = False) -> BinaryIO:
        """The bytes, as a file that can be sought in.

        Parameters
        ----------
        all_of_it : whether all will be read: from a server they are then asked for at once

        Raises
        ------
        ReadError
            Where the file cannot be opened.
        """
        file = self.file
        try:
            if file.local:
                opened: Any = open(file.path, "rb")  # noqa: SIM115  # whoever asked closes it
            elif all_of_it and self.size <= _WHOLE:
                stop = self.start + self.size
                return io.BytesIO(file.fs.cat_file(file.path, start=self.start, end=stop))
            else:
                opened = file.fs.open(file.path, "rb", block_size=_HEAD)
        except OSError as error:
            raise ReadError(f"{self.where} cannot be opened: {error}") from error
        if self._all:
            return cast(BinaryIO, opened)
        return cast(BinaryIO, io.BufferedReader(_Window(opened, self.start, self.size)))


@dataclass(frozen=True, slots=True)
class Zipped:
    """A member of a zip.

    Parameters
    ----------
    name : relative, with slashes
    file : the zip
    member : its name in there
    size : bytes it unpacks to, as the zip says
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
        """The bytes; never more than the zip says they are, whatever is packed there.

        Parameters
        ----------
        all_of_it : whether all will be read: they are then unpacked at once, and their checksum
            is compared
        """
        packed = _Bounded(_zip(self.file, self.search, os.getpid()).open(self.member))
        if all_of_it:
            with packed:
                return io.BytesIO(packed.readall())
        return cast(BinaryIO, io.BufferedReader(packed, _HEAD))


@dataclass(frozen=True, slots=True)
class Held:
    """A file whose bytes are in memory, as those of a tar that is read front to back.

    Parameters
    ----------
    name : of the image
    content : all of its bytes
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
        """The bytes, as a file that can be sought in."""
        return io.BytesIO(self.content)


@dataclass(frozen=True, slots=True)
class Plane:
    """An image in a Zarr array.

    Parameters
    ----------
    name : relative, with slashes
    store : path or URL of the array
    index : its number along each axis but those of `axes`
    axes : for each axis of the array 'y', 'x', 'c' or '' (one of `index`)
    shape : height, width, channels; with alpha
    dtype : 'uint8' or 'uint16'
    alpha : whether the last channel is alpha
    held : bytes of the chunks that are decoded for it
    stamp : changes when the array is written to, as far as its store tells
    search : identifies the search that found it, for caches
    about : JSON-able, of all images of the array
    notices : what was guessed of its dimensions
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


class _Window(io.RawIOBase):
    """A run of bytes of a file, as a file."""

    def __init__(self, file: Any, start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if at < 0:
            raise ValueError(f"byte {at} of a file was asked for")
        self._at = at
        return at

    def readinto(self, out: Any) -> int:
        count = max(0, min(len(out), self._size - self._at))
        self._file.seek(self._start + self._at)
        some = self._file.read(count)
        out[: len(some)] = some
        self._at += len(some)
        return len(some)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Bounded(io.RawIOBase):
    """A member of a zip, unpacked no further than is asked for.

    Asked for all, ``zipfile`` would unpack up to 2 GiB in one step before it looks at the size.
    """

    def __init__(self, member: Any) -> None:
        self._member = member

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return int(self._member.tell())

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._member.seek(offset, whence))

    def readinto(self, out: Any) -> int:
        some = self._member.read(len(out))
        out[: len(some)] = some
        return len(some)

    def close(self) -> None:
        self._member.close()
        super().close()


@lru_cache(maxsize=8)
def _zip(file: File, search: str, process: int) -> zipfile.ZipFile:
    """A zip, opened once a process and search: its directory is a list at its end.

    Not shared between searches, as the file may be another by then; nor with a forked process,
    which would share the position in the file.
    """
    return zipfile.ZipFile(file.path if file.local else file.open())
