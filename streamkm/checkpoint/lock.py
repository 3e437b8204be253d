"""One run to a checkpoint at a time."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
import uuid
from pathlib import Path
from typing import Any

from streamkm.errors import CheckpointError, LockedError

LEASE = 600.0  # seconds for which a lock in an object store is good
_RENEW = LEASE / 10


def _who() -> dict[str, Any]:
    job, restart = (os.environ.get(f"SLURM_{name}") for name in ("JOB_ID", "RESTART_COUNT"))
    return {"host": socket.gethostname(), "pid": os.getpid(), "job": job, "restart": restart}


def _named(holder: dict[str, Any]) -> str:
    job = f", Slurm job {holder['job']}" if holder.get("job") else ""
    return f"process {holder.get('pid', '?')} on {holder.get('host', '?')}{job}"


class FileLock:
    """Beside a local folder: the kernel's lock of a file, gone with the process that holds it.

    Parameters
    ----------
    folder : of the checkpoint

    Raises
    ------
    LockedError
        When another process holds it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder.with_name(f".{folder.name}.lock")
        while True:
            self._file = self._path.open("a+")
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._file.seek(0)
                said = self._file.read() or "{}"  # it may only just have been locked
                self._file.close()
                raise LockedError(str(folder), _named(json.loads(said))) from None
            except OSError as error:
                self._file.close()
                raise CheckpointError(
                    f"{folder} is on a file system without locks ({error}), where two runs could "
                    "spoil it: put the checkpoint on another (of Lustre, one mounted with flock)."
                ) from error
            try:
                if self._path.stat().st_ino == os.fstat(self._file.fileno()).st_ino:
                    break
            except FileNotFoundError:
                pass
            self._file.close()  # released and removed between our opening and our locking it
        self._file.truncate(0)
        self._file.write(json.dumps(_who()))
        self._file.flush()

    def renew(self) -> None:
        """Nothing: it lasts as long as the process."""

    def release(self) -> None:
        self._path.unlink(missing_ok=True)
        self._file.close()


class LeaseLock:
    """In an object store: a note of who runs and until when, renewed while that one lives.

    Stores have no locks, so two runs that begin in the same instant may both get it; the one that
    was overwritten stops when it renews. A run that was killed leaves its lease behind: the same
    Slurm job when it was restarted, or the same host when that process is gone, takes it over.

    Parameters
    ----------
    group : zarr.Group of the checkpoint

    Raises
    ------
    LockedError
        When another run holds it.
    """

    def __init__(self, group: Any) -> None:
        self._group, self._note = group, group.require_group("lock")
        self._token = uuid.uuid4().hex
        holder = dict(self._note.attrs)
        left = holder.get("until", 0) - time.time()
        if left > 0 and not _gone(holder):
            until = f", for {left / 60:.0f} min more unless it renews"
            raise LockedError(str(group.store_path), _named(holder), until)
        self._write(time.time() + LEASE)

    def _write(self, until: float) -> None:
        self._renewed = time.monotonic()
        self._note.attrs.put({**_who(), "token": self._token, "until": until})

    def renew(self) -> None:
        """Say, now and then, that this run still lives.

        Raises
        ------
        LockedError
            When another run has taken over.
        """
        if time.monotonic() - self._renewed < _RENEW:
            return
        holder = self._holder()
        if holder.get("token") != self._token:
            raise LockedError(str(self._note.store_path), _named(holder))
        self._write(time.time() + LEASE)

    def _holder(self) -> dict[str, Any]:
        return dict(self._group["lock"].attrs)

    def release(self) -> None:
        if self._holder().get("token") == self._token:  # it may be another's by now
            self._write(0.0)


def _gone(holder: dict[str, Any]) -> bool:
    """Whether the holder is certainly no more."""
    us = _who()
    if us["job"] and holder.get("job") == us["job"] and holder.get("restart") != us["restart"]:
        return True  # Slurm runs a job once at a time
    if holder.get("host") != us["host"]:
        return False
    try:
        os.kill(int(holder["pid"]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False
