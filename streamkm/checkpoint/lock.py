"""Locks: one run at a time uses a checkpoint."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from streamkm.errors import CheckpointError, CheckpointWarning, LockedError
from streamkm.warn import warn

LEASE = 600.0  # seconds for which a lock in an object store is valid
_RENEW = LEASE / 10


def _who() -> dict[str, Any]:
    job, restart = (os.environ.get(f"SLURM_{name}") for name in ("JOB_ID", "RESTART_COUNT"))
    return {"host": socket.gethostname(), "pid": os.getpid(), "job": job, "restart": restart}


def _named(holder: dict[str, Any]) -> str:
    job = f", Slurm job {holder['job']}" if holder.get("job") else ""
    return f"process {holder.get('pid', '?')} on {holder.get('host', '?')}{job}"


class FileLock:
    """Lock of a local checkpoint: a kernel lock on a file beside it, released with the process.

    Parameters
    ----------
    folder : folder of the checkpoint

    Raises
    ------
    LockedError
        If another process holds it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder.with_name(f".{folder.name}.lock")
        while not self._held(folder):
            self._file.close()  # released and deleted between opening and locking
        with self._closing():
            self._file.truncate(0)
            self._file.write(json.dumps(_who()))
            self._file.flush()

    def _held(self, folder: Path) -> bool:
        """Open and lock the file; return whether it still has its name."""
        self._file = self._path.open("a+")
        with self._closing():
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._file.seek(0)
                said = self._file.read() or "{}"  # it may just have been locked
                raise LockedError(str(folder), _named(json.loads(said))) from None
            except OSError as error:
                raise CheckpointError(
                    f"{folder} is on a file system without locks ({error}), so two runs could "
                    "write to it at once. Put the checkpoint on a file system with locks (mount "
                    "Lustre with the option flock)."
                ) from error
            try:
                return self._path.stat().st_ino == os.fstat(self._file.fileno()).st_ino
            except FileNotFoundError:
                return False

    @contextmanager
    def _closing(self) -> Iterator[None]:
        """Close the file, and with it the lock, after an error."""
        try:
            yield
        except BaseException:
            with suppress(OSError):  # of what is still to be written, on a full disk
                self._file.close()
            raise

    def renew(self) -> None:
        """Do nothing: the lock lasts as long as the process."""

    def release(self) -> None:
        try:
            self._path.unlink(missing_ok=True)
        finally:
            self._file.close()


class LeaseLock:
    """Lock in an object store: a lease with the run and its end, renewed while the run lives.

    Object stores have no locks, so two runs that start at the same moment may both get the lease;
    the overwritten one stops when it renews. A killed run leaves its lease: the restarted Slurm
    job, or a run on the same host after the process has ended, takes it over.

    Parameters
    ----------
    group : zarr.Group of the checkpoint

    Raises
    ------
    LockedError
        If another run holds it.
    """

    def __init__(self, group: Any) -> None:
        self._group, self._note = group, group.require_group("lock")
        self._token = uuid.uuid4().hex
        holder = dict(self._note.attrs)
        left = holder.get("until", 0) - time.time()
        if left > 0 and not _gone(holder):
            until = f"; the lock expires in {left / 60:.0f} min unless it is renewed"
            raise LockedError(str(group.store_path), _named(holder), until)
        self._write(time.time() + LEASE)

    def _write(self, until: float) -> None:
        self._renewed = time.monotonic()
        self._note.attrs.put({**_who(), "token": self._token, "until": until})

    def renew(self) -> None:
        """Renew the lease from time to time.

        Raises
        ------
        LockedError
            If another run has taken over.
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
        """End the lease; if the store fails, it expires.

        Warns
        -----
        CheckpointWarning
            If the store fails.
        """
        try:
            if self._holder().get("token") == self._token:  # it may belong to another run now
                self._write(0.0)
        except Exception as error:  # object stores have errors of their own
            warn(
                f"the lock of {self._group.store_path} could not be released ({error}); another "
                f"run can use the checkpoint in {LEASE / 60:.0f} min, on this host once this "
                "process has ended",
                CheckpointWarning,
            )


def _gone(holder: dict[str, Any]) -> bool:
    """Return whether the holder has certainly ended."""
    us = _who()
    if us["job"] and holder.get("job") == us["job"] and holder.get("restart") != us["restart"]:
        return True  # Slurm runs a job only once at a time
    if holder.get("host") != us["host"]:
        return False
    try:
        os.kill(int(holder["pid"]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False
