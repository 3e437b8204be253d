"""Hidden files and folders that runs which were killed have left beside their outputs."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from streamkm.checkpoint import FileLock
from streamkm.checkpoint.generations import KIND as CHECKPOINT
from streamkm.errors import CheckpointError, DataError

_KINDS = {
    "partial": "an unfinished output, from which the same command may resume",
    "replaced": "an output that was replaced",
    "progress": "the progress of an unfinished output",
    "growing": "the steps of an unfinished hierarchy, from which the same command may resume",
    "lock": "a lock",
    "empty": "a checkpoint of a run that ended before it saved a state",
    "old": "the old output, which is restored, because no new one has its name",
}
_FOLDERS = re.compile(
    r"\.(?P<name>.+)\.(?:(?P<kind>partial|replaced)-(?:once-)?(?:[0-9a-f]{8}|ingest)"
    r"|(?P<other>progress|growing|lock))"
)
_OF_PROGRESS = re.compile(r"zarr\.json|state-\d+|.*\.partial")  # also of a folder half removed
_FILES = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{8}\.(?P<kind>partial)(?:\.\w+)?")


@dataclass(frozen=True)
class Leftover:
    """A file or folder that a run has left.

    Parameters
    ----------
    path : Path
    target : the output beside which it was left
    kind : a key of `_KINDS`
    """

    path: Path
    target: Path
    kind: str

    @property
    def what(self) -> str:
        """Description."""
        return _KINDS[self.kind]

    def remove(self) -> None:
        """Delete it; or restore the old output if no new one has its name."""
        if self.kind == "old":
            self.path.rename(self.target)
        elif self.path.is_dir() and not self.path.is_symlink():
            shutil.rmtree(self.path)
        else:
            self.path.unlink(missing_ok=True)


def leftovers(path: Path) -> list[Leftover]:
    """Return what runs have left beside an output, or in a folder; nothing of runs that live.

    Locks of runs that have ended are removed, and not returned.

    Raises
    ------
    DataError
        If the folder does not exist.
    """
    if path.is_dir() and not (path / "zarr.json").exists():
        return _found(path, None)
    return beside(path)


def beside(target: Path) -> list[Leftover]:
    """Return what runs have left beside an output, as `leftovers` does."""
    if not target.parent.is_dir():
        raise DataError(f"{target.parent} is not a folder.")
    return _found(target.parent, {target.name, target.stem})


def _found(folder: Path, names: set[str] | None) -> list[Leftover]:
    """Return the left-overs of outputs with these names in a folder, or of all."""
    found: dict[Path, list[Leftover]] = {}
    for each in sorted(folder.iterdir()):
        match = _FOLDERS.fullmatch(each.name) or _FILES.fullmatch(each.name)
        if match is None:
            name, kind = each.name, "empty" if _is_empty_checkpoint(each) else ""
        else:
            name, kind = match["name"], match["kind"] or match["other"]
            kind = kind if _is_ours(each) else ""
        if not kind or (names is not None and name not in names):
            continue
        target = folder / name
        if kind == "replaced" and not target.exists():
            kind = "old"
        found.setdefault(target, []).append(Leftover(each, target, kind))
    dead = [own for target, own in found.items() if _is_dead(target)]
    return [one for own in dead for one in own if one.path.exists()]


def _is_empty_checkpoint(path: Path) -> bool:
    """Return whether a folder is a checkpoint in which no state is listed or half written."""
    try:
        if set(os.listdir(path)) != {"zarr.json"}:
            return False
        marks = json.loads((path / "zarr.json").read_text())["attributes"]
        return marks.get("kind") == CHECKPOINT and not marks.get("states")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _is_ours(path: Path) -> bool:
    """Return whether a name that other programs use, too, is that of a file of streamkm."""
    if path.suffix == ".progress":
        return path.is_dir() and all(map(_OF_PROGRESS.fullmatch, os.listdir(path)))
    if path.suffix == ".growing":
        return path.is_dir()
    if path.suffix == ".lock":
        try:
            return {"host", "pid"} <= set(json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return False
    return True


def _is_dead(target: Path) -> bool:
    """Return whether no run writes to a target; the lock of one that has ended is removed."""
    try:
        FileLock(target).release()
    except CheckpointError:
        return False
    return True
