"""Parts of files as files: contiguous bytes, and members of zips."""

from __future__ import annotations

import io
from abc import abstractmethod
from typing import Any


class _Reader(io.RawIOBase):
    """A seekable file for reading, which a subclass implements by `take`."""

    @abstractmethod
    def take(self, count: int) -> bytes:
        """Return at most `count` bytes from the position on, and advance the position."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, out: Any) -> int:
        some = self.take(len(out))
        out[: len(some)] = some
        return len(some)


class Window(_Reader):
    """Contiguous bytes of a file.

    Parameters
    ----------
    file : seekable file
    start, size : position and number of the bytes
    head : bytes that replace the first ones
    closes : whether `file` is closed with the window
    """

    def __init__(
        self, file: Any, start: int, size: int, *, head: bytes = b"", closes: bool = True
    ) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0
        self._head, self._closes = head, closes

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if at < 0:
            raise ValueError(f"cannot seek to byte {at}")
        self._at = at
        return at

    def take(self, count: int) -> bytes:
        count = max(0, min(count, self._size - self._at))
        some = self._head[self._at : self._at + count]
        if not some:
            self._file.seek(self._start + self._at)
            some = self._file.read(count)
        self._at += len(some)
        return some

    def close(self) -> None:
        if self._closes:
            self._file.close()
        super().close()


class ZipMember(_Reader):
    """A member of a zip that is unpacked only as far as it is read.

    When everything is read, ``zipfile`` may unpack up to 2 GiB in one step before it checks the
    size.
    """

    def __init__(self, member: Any) -> None:
        self._member = member

    def tell(self) -> int:
        return int(self._member.tell())

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._member.seek(offset, whence))

    def take(self, count: int) -> bytes:
        return bytes(self._member.read(count))

    def close(self) -> None:
        self._member.close()
        super().close()
