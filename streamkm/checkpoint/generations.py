"""Numbered states in a Zarr group, each complete or absent; the last two are kept."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

import numpy as np

from streamkm.checkpoint.content import Arrays, checksum, packed, refuse_misplaced, unpacked
from streamkm.errors import CheckpointError, CheckpointWarning, NotACheckpointError
from streamkm.rows import checked_sizes
from streamkm.warn import warn

FORMAT = 2  # since format 2, a state has one record of its run
KIND = "streamkm checkpoint"
_KEPT = 2
_STATE = re.compile("state-[0-9]{8,}")
_CHUNK_NBYTES = 16 * 2**20


def _mended(folder: Path, error: Exception) -> Any:
    """Return the group of a local checkpoint of which only the group's metadata are damaged."""
    warn(
        f"{folder / 'zarr.json'} is damaged ({error}); the states are listed from their folders "
        "instead",
        CheckpointWarning,
    )
    (folder / "zarr.json").unlink(missing_ok=True)
    states = sorted(path.parent.name for path in folder.glob("state-*/zarr.json"))
    marks: dict[str, Any] = {"kind": KIND, "format": FORMAT, "states": states}
    import zarr

    return zarr.create_group(folder, attributes=marks)


def _occupied(folder: Path) -> bool:
    """Return whether a path has content other than temporary files of a killed Zarr write."""
    if folder.is_dir():
        return any(path.suffix != ".partial" for path in folder.iterdir())
    return folder.exists()


def is_local(where: Any) -> bool:
    """Return whether a checkpoint is a local folder, not a URL or a store."""
    return isinstance(where, os.PathLike) or (isinstance(where, str) and "://" not in where)


class Generations:
    """Numbered states of one run.

    A state is written with a checksum of its content before it is added to the list of states in
    the group, so a run may be killed between any two writes.

    Parameters
    ----------
    where : path, URL, or Zarr store
    mode : 'a' to read and write, 'r' to read only

    Raises
    ------
    CheckpointError
        If something else is there, or nothing is there and the mode is 'r'.
    """

    def __init__(self, where: Any, mode: str = "a") -> None:
        import zarr  # takes a quarter of a second; needed for checkpoints only

        from streamkm.rows.guarded import DurableFiles

        self.where = str(where)
        self._damaged: set[str] = set()
        self._begun: list[str] = []  # states whose save has begun and not ended
        target = Path(where) if is_local(where) else where
        store = DurableFiles(target) if isinstance(target, Path) else target
        if isinstance(target, Path) and not target.is_dir():
            store = target  # nothing that can be opened
        try:
            self._root: Any = zarr.open_group(store, mode="r")
        except (FileNotFoundError, ValueError, zarr.errors.NodeNotFoundError) as error:
            if mode == "a" and isinstance(target, Path) and any(target.glob("state-*/zarr.json")):
                self._root = _mended(target, error)
                return
            if isinstance(target, Path) and _occupied(target):
                raise NotACheckpointError(f"{where} is not a checkpoint; name another.") from error
            if mode == "r":
                raise NotACheckpointError(f"{where} is not a streamkm checkpoint.") from error
            self._root = self._created(target)
            return
        except Exception as error:  # object stores have errors of their own
            raise self.unreachable(error) from error
        if self._root.attrs.get("kind") != KIND:
            raise NotACheckpointError(f"{where} is a Zarr group, but not a streamkm checkpoint.")
        found = self._root.attrs.get("format")
        if found != FORMAT:
            raise CheckpointError(
                f"{where} has checkpoint format {found}, but this version of streamkm reads format "
                f"{FORMAT}. Continue with the version that wrote it, or name another checkpoint."
            )
        if mode == "a":
            self._root = self._writable(store)

    def _writable(self, store: Any) -> Any:
        import zarr

        try:
            return zarr.open_group(store, mode="r+")
        except Exception as error:
            raise self.unreachable(error) from error

    def _created(self, target: Any) -> Any:
        import zarr

        from streamkm.rows.guarded import DurableFiles

        store = DurableFiles(target) if isinstance(target, Path) else target
        try:
            return zarr.create_group(store, attributes={"kind": KIND, "format": FORMAT})
        except OSError:
            raise
        except Exception as error:
            raise self.unreachable(error) from error

    def unreachable(self, error: Exception) -> CheckpointError:
        """Return the error for a store that fails."""
        return CheckpointError(
            f"{self.where} cannot be opened ({type(error).__name__}: {error}). Check the "
            "address, the credentials and the network."
        )

    @property
    def group(self) -> Any:
        return self._root

    def save(self, tree: Any, arrays: Arrays) -> None:
        """Write the next state, add it to the list, then delete all but the last two."""
        states = self._listed("states")
        # After a signal, Zarr may still be writing a state: the next one has another name.
        begun = list(self._begun)
        name = f"state-{1 + max((int(old[6:]) for old in (*states, *begun)), default=0):08d}"
        self._begun.append(name)
        content, places = packed(arrays)
        facts = {"tree": tree, "arrays": places, "saved": time.time()}
        facts["checksum"] = checksum(tree, places, content)
        # An existing state of this name is one that a killed run has not completed.
        group = self._root.create_group(name, overwrite=True, attributes=facts)
        chunks = (max(1, min(len(content), _CHUNK_NBYTES)),)
        group.create_array("content", data=content, chunks=chunks, compressors=None)
        current = [*[old for old in states if old not in self._damaged][1 - _KEPT :], name]
        for old in self._listed("removed"):  # a run may be killed before it deletes them
            self._remove(old)
        gone = [old for old in states if old not in current]
        self._root.update_attributes({"states": current, "removed": [*gone, *begun]})
        for old in gone:
            self._remove(old)
        self._damaged.clear()
        self._begun.clear()

    def _remove(self, name: str) -> None:
        try:
            there = name in self._root
        except ValueError:  # damaged metadata
            self._root.create_group(name, overwrite=True)
            there = True
        if there:
            del self._root[name]

    def _listed(self, name: str) -> list[str]:
        listed: Any = self._root.attrs.get(name, [])
        if not isinstance(listed, list) or not all(
            isinstance(each, str) and _STATE.fullmatch(each) for each in listed
        ):
            raise CheckpointError(
                f"the attribute {name!r} of {self.where} is no list of states, so it is damaged. "
                "Restore a copy, or name another checkpoint."
            )
        return list(listed)

    def load(self) -> tuple[Any, Arrays] | None:
        """Return the last complete state, or None if there is none yet.

        Raises
        ------
        CheckpointError
            If there are states, but none is complete.
        """
        states = self._listed("states")
        for name in reversed(states):
            try:
                return self._load(name)
            except Exception as error:  # a codec may raise any error for changed bytes
                self._damaged.add(name)
                warn(
                    f"{name} of {self.where} is damaged ({type(error).__name__}: {error}); "
                    "trying the previous state",
                    CheckpointWarning,
                )
        if states:
            raise CheckpointError(
                f"{self.where} has no intact state. Restore a copy, or remove it to start again."
            )
        return None

    def _load(self, name: str) -> tuple[Any, Arrays]:
        group: Any = self._root[name]
        facts = dict(group.attrs)
        stored = checked_sizes(group["content"])
        refuse_misplaced(facts["arrays"], stored)
        content = np.asarray(stored[...])
        if checksum(facts["tree"], facts["arrays"], content) != facts["checksum"]:
            raise ValueError("the checksum does not match")
        return facts["tree"], unpacked(content, facts["arrays"])
