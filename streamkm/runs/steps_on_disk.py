"""Finished steps of a long run as files, so that the same run resumes after them."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.checkpoint import Record, difference
from streamkm.errors import CheckpointError, OutputWarning
from streamkm.files.durable import sync
from streamkm.warn import warn

_RECORD = "streamkm-steps.json"
Arrays = dict[str, AnyArray]


@dataclass(frozen=True)
class StepsOnDisk:
    """A folder with a file of arrays for each finished step.

    Parameters
    ----------
    folder : Path, local and shared by all workers
    """

    folder: Path

    def begin(self, record: Record, restart: bool) -> None:
        """Create the folder, or resume the run in it.

        Parameters
        ----------
        record : Record of this run
        restart : whether the steps of another run are deleted; otherwise they are an error

        Raises
        ------
        CheckpointError
            If the folder holds something else, a damaged record, or the steps of another run.

        Warns
        -----
        OutputWarning
            If the steps of another run are deleted.
        """
        known = self.folder / _RECORD
        if known.is_file():
            found = difference(_record_at(known), record)
            if found is None:
                return
            if not restart:
                raise CheckpointError(
                    f"{self.folder} belongs to another run: {found.sentence}. Name another folder, "
                    "or remove this one."
                )
            warn(
                f"the unfinished run in {self.folder} cannot be used: {found.sentence}. The run "
                "starts again",
                OutputWarning,
            )
            shutil.rmtree(self.folder)
        elif self.folder.is_dir() and any(self.folder.iterdir()):
            raise CheckpointError(
                f"{self.folder} is not a folder of a hierarchy; name an empty or a new folder."
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        _publish(known, lambda path: path.write_text(json.dumps(record.to_json())))

    def once(self, name: str, compute: Callable[[], Arrays]) -> Arrays:
        """Return the arrays of a step, which is computed unless an earlier run finished it."""
        path = self.path_of(name)
        if not path.exists():
            arrays = compute()
            path.parent.mkdir(parents=True, exist_ok=True)
            _publish(path, lambda partial: _write(partial, arrays))
        return self.finished(name)

    def finished(self, name: str) -> Arrays:
        """Return the arrays of a step that a run has finished.

        Raises
        ------
        CheckpointError
            If its file is missing or damaged.
        """
        path = self.path_of(name)
        try:
            with path.open("rb") as file, np.load(file) as found:
                return {each: found[each] for each in found.files}
        except FileNotFoundError as error:
            raise CheckpointError(
                f"{path} is missing, although its step is finished: on a cluster, all workers must "
                "share this folder."
            ) from error
        except (EOFError, ValueError, BadZipFile) as error:
            raise CheckpointError(
                f"{path} is damaged: delete it; the next run then repeats this step."
            ) from error

    def path_of(self, name: str) -> Path:
        """Path of the file of a step."""
        return self.folder / f"{name}.npz"


def _record_at(path: Path) -> Record:
    try:
        return Record.from_json(json.loads(path.read_text()))
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} is damaged, or another version wrote it: delete the folder {path.parent}; the "
            "run then starts again."
        ) from error


def _write(path: Path, arrays: Arrays) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _publish(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file that is on the disk before it has its name."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        write(partial)
        sync(partial)
        os.replace(partial, path)
        sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)
