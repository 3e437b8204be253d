"""Files that survive a loss of power: their bytes are on the disk before their names are.

The environment variable `STREAMKM_FSYNC=0` turns this off, for example for scratch disks.
"""

from __future__ import annotations

import os
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

OFF = "STREAMKM_FSYNC"


def is_on() -> bool:
    """Whether files are synced."""
    return os.environ.get(OFF, "1").lower() not in ("0", "no", "off", "false")


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk.

    File systems that cannot sync folders, such as some network file systems, are left alone.
    """
    if not is_on():
        return
    try:
        opened = os.open(path, os.O_RDONLY)
    except FileNotFoundError:  # removed since it was listed
        return
    try:
        os.fsync(opened)
    except OSError:
        if not stat.S_ISDIR(os.fstat(opened).st_mode):
            raise
    finally:
        os.close(opened)


def sync_tree(path: Path, since: float = 0.0) -> None:
    """Sync a file, or all files and folders in a folder that were written from a time on."""
    if is_on():
        for each in _written(path, since):
            sync(each)


def _written(path: Path, since: float) -> Iterator[Path]:
    """Yield files and folders, the content of a folder before itself."""
    if path.is_dir():
        for folder, _, names in os.walk(path, topdown=False, onerror=_unlisted):
            for each in (*(os.path.join(folder, name) for name in names), folder):
                if os.lstat(each).st_mtime >= since and not os.path.islink(each):
                    yield Path(each)
    elif path.is_file():
        yield path


def _unlisted(error: OSError) -> None:
    """Raise the error of a folder whose files would not be synced; it may have been removed."""
    if not isinstance(error, FileNotFoundError):
        raise error


def write_durably(path: Path, content: bytes | memoryview) -> None:
    """Write a file that is complete or absent under its name, also after a loss of power."""
    made = [path.parent]
    while not made[-1].exists():
        made.append(made[-1].parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{uuid.uuid4().hex}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            if is_on():
                os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    for folder in made:
        sync(folder)
