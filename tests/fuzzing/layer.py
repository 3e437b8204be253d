"""A layer below Python's file functions that counts I/O calls, and makes one of them fail.

Calls of C libraries that open files themselves, such as HDF5 and Arrow, are not seen.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import re
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

READS = ("open", "read", "stat", "list")
WRITES = ("create", "write", "sync", "rename", "link", "mkdir", "remove")
FILLS = ("create", "write", "mkdir", "link", "sync")  # what a full disk refuses
# Faults, and the calls that each applies to.
FAULTS = {
    "fails once": (*READS, *WRITES),
    "fails from then on": (*READS, *WRITES),
    "disk full": FILLS,
    "short": ("read", "write"),
    "wrong byte": ("read", "write"),
    "slow": (*READS, *WRITES),
}
SECONDS = 0.3  # by which a slow call is slower
_TAG = re.compile(
    r"[0-9a-f]{32}|(?<=\.)[0-9a-f]{8}(?=\.)|-[0-9a-f]{8}(?![0-9a-f])|(?<=[^a-z0-9])[0-9]+(?![a-z0-9])"
)


@dataclass(frozen=True)
class Call:
    """An I/O call: the operation and the kind of file, and the number among those that are equal.

    Parameters
    ----------
    what : operation, of `READS` or `WRITES`
    path : path below the watched folder, in which numbers and tags are replaced by a hash sign
    number : 1 for the first such call
    """

    what: str
    path: str
    number: int = 1

    def __str__(self) -> str:
        return f"{self.what} {self.path} #{self.number}"

    @property
    def kind(self) -> tuple[str, str, str]:
        """The operation, the first part of the path, and what the file is there."""
        first, *parts = self.path.split("/")
        if "c" in parts:
            return self.what, first, "chunk"
        metadata = bool(parts) and parts[-1].startswith((".z", "zarr."))
        return self.what, first, "metadata" if metadata else "other"


class Layer:
    """Replaces the file functions of Python in this process.

    Parameters
    ----------
    top : folder; calls for files elsewhere are passed on
    fault : key of `FAULTS`, or None
    at : the call that fails
    log : file that receives a line for each call, or None
    """

    def __init__(self, top: Path, fault: str = "", at: Call | None = None, log: Any = None) -> None:
        self.top, self.fault, self.at = f"{top.resolve()}/", fault, at
        self.counts: Counter[tuple[str, str]] = Counter()
        self._lock, self._failed = threading.Lock(), ""
        self._full = False
        self._log = None if log is None else open(log, "w", buffering=1)  # noqa: SIM115

    def put(self, replace: Callable[[Any, str, Any], None] = setattr) -> None:
        """Replace the functions, for good or by the `setattr` of a test."""
        real = {name: getattr(os, name) for name in (*_OF_ONE, "rename", "replace", "link")}
        self._real_open = io.open
        for name, what in _OF_ONE.items():
            replace(os, name, self._of_one(real[name], what))
        for name in ("rename", "replace", "link"):
            replace(os, name, self._of_two(real[name], "link" if name == "link" else "rename"))
        for module in (io, builtins):
            replace(module, "open", self._opened)
        # Removal by paths, which a layer sees, not relative to opened folders.
        replace(shutil, "_use_fd_functions", False)

    def end(self) -> None:
        """Let all further calls succeed."""
        self.at, self.fault, self._failed, self._full = None, "", "", False

    def _of_one(self, real: Callable[..., Any], what: str) -> Callable[..., Any]:
        def call(path: Any = ".", *more: Any, **options: Any) -> Any:
            if isinstance(path, int):
                place = _name_of(path) if what == "sync" else None
            else:
                place = None if options.get("dir_fd") is not None else os.fspath(path)
            kind = what
            if what == "open" and more and more[0] & os.O_CREAT:
                kind = "create"
            self.happens(kind, place)
            return real(path, *more, **options)

        return call

    def _of_two(self, real: Callable[..., Any], what: str) -> Callable[..., Any]:
        def call(source: Any, target: Any, **options: Any) -> Any:
            self.happens(what, os.fspath(target))
            return real(source, target, **options)

        return call

    def _opened(self, file: Any, mode: str = "r", buffering: int = -1, *more: Any, **named: Any):
        inside = not isinstance(file, int) and self._inside(os.fspath(file)) is not None
        if not inside or "opener" in named:
            return self._real_open(file, mode, buffering, *more, **named)
        self.happens("open" if mode.strip("bt") == "r" else "create", os.fspath(file))
        raw = _Raw(file, mode.replace("b", "").replace("t", ""))
        raw.layer = self
        if buffering == 0:
            return raw
        if "+" in mode:
            buffered: Any = io.BufferedRandom(raw)
        else:
            buffered = (io.BufferedReader if mode[0] == "r" else io.BufferedWriter)(raw)
        if "b" in mode:
            return buffered
        return io.TextIOWrapper(buffered, *more, line_buffering=buffering == 1, **named)

    def _inside(self, path: Any) -> str | None:
        name = os.path.abspath(os.fsdecode(path))
        if not name.startswith(self.top):
            return None
        return _TAG.sub("#", name[len(self.top) :])

    def happens(self, what: str, path: Any) -> bool:
        """Count a call; return whether it is the one that is short or gets a wrong byte."""
        inside = None if path is None else self._inside(path)
        if inside is None:
            return False
        with self._lock:
            self.counts[what, inside] += 1
            call = Call(what, inside, self.counts[what, inside])
            if self._log is not None:
                self._log.write(f"{what}\t{inside}\t{call.number}\n")
            hit = call == self.at
            if hit and self.fault == "fails from then on":
                self._failed = inside
            self._full |= hit and self.fault == "disk full"
            failed = self._failed == inside and self.at is not None and what == self.at.what
        if hit and self.fault == "slow":
            time.sleep(SECONDS)
        if (hit and self.fault == "fails once") or failed:
            raise OSError(errno.EIO, os.strerror(errno.EIO), os.fsdecode(path))
        if self._full and what in FILLS:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fsdecode(path))
        return hit


_OF_ONE = {
    **{"open": "open", "stat": "stat", "lstat": "stat", "listdir": "list", "scandir": "list"},
    **{"mkdir": "mkdir", "fsync": "sync", "unlink": "remove", "remove": "remove"},
    "rmdir": "remove",
}


class _Raw(io.FileIO):
    """A file whose reads and writes are calls of a layer."""

    layer: Layer
    ended = False

    def readinto(self, buffer: Any) -> int:
        hit = self.layer.happens("read", self.name)
        if self.ended:
            return 0
        view = memoryview(buffer).cast("B")
        size = super().readinto(view) or 0
        if hit and self.layer.fault == "short":
            self.ended, size = True, size // 2
        if hit and self.layer.fault == "wrong byte" and size:
            view[size // 2] ^= 4
        return size

    def readall(self) -> bytes:
        parts = []
        while True:
            part = bytearray(2**16)
            size = self.readinto(part)
            if not size:
                return b"".join(parts)
            parts.append(bytes(part[:size]))

    def read(self, size: int = -1) -> bytes:
        if size is None or size < 0:
            return self.readall()
        part = bytearray(size)
        return bytes(part[: self.readinto(part)])

    def write(self, content: Any) -> int:
        hit = self.layer.happens("write", self.name)
        view = memoryview(content).cast("B")
        if hit and self.layer.fault == "short":
            return super().write(view[: max(1, len(view) // 2)])
        if hit and self.layer.fault == "wrong byte" and len(view):
            changed = bytearray(view)
            changed[len(view) // 2] ^= 4
            return super().write(changed)
        return super().write(view)


def _name_of(opened: int) -> str | None:
    try:
        return os.readlink(f"/proc/self/fd/{opened}")
    except OSError:
        return None
