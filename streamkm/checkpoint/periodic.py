"""Save the states of a run at intervals, and load those of an earlier run."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

from streamkm.checkpoint.generations import Generations
from streamkm.checkpoint.record import Record, Saved, load_saved
from streamkm.errors import CheckpointError, CheckpointWarning
from streamkm.warn import warn

SECONDS = 60.0  # default minimum time between two saves


class Periodic:
    """Saves the states of a run at intervals. A failed save is a warning, and the run continues.

    Parameters
    ----------
    where : name of the checkpoint in messages
    opened : called before every save; returns the Generations that the state is added to
    record : Record of this run
    seconds : minimum time between two saves; None means one minute
    """

    def __init__(
        self,
        where: str,
        opened: Callable[[], Generations],
        record: Record,
        seconds: float | None = None,
    ) -> None:
        self.record = record
        self._where, self._opened = where, opened
        self._seconds = SECONDS if seconds is None else seconds
        self._began = self._last = time.monotonic()

    @classmethod
    def in_folder(cls, folder: Path, record: Record, seconds: float | None = None) -> Self:
        """Saves to a local folder, which the first save creates."""
        return cls(str(folder), partial(Generations, folder), record, seconds)

    @property
    def due(self) -> bool:
        """Whether the last save is long enough ago."""
        return time.monotonic() - self._last >= self._seconds

    def resume(self, before: Record) -> None:
        """Continue the run of an earlier record."""
        self.record = self.record.resuming(before)

    def save(self, state: Any) -> bool:
        """Save a state now, and return whether that succeeded.

        Raises
        ------
        CheckpointError
            If the state holds a class that cannot be saved, or another run has taken over the
            checkpoint.
        """
        seconds = self.record.seconds + time.monotonic() - self._began
        try:
            Saved(replace(self.record, seconds=seconds), state).save(self._opened())
        except CheckpointError:
            raise
        except Exception as error:  # object stores have errors of their own
            warn(
                f"the checkpoint could not be written to {self._where} ({error}); the run "
                "continues, and the last saved state stays valid",
                CheckpointWarning,
            )
            return False
        finally:
            self._last = time.monotonic()
        return True


def load_progress(folder: Path) -> Saved[Any] | None:
    """Return the last state in a hidden folder, or None if there is none.

    Warns
    -----
    CheckpointWarning
        If the folder is damaged; it is then removed, and the work starts again.
    """
    if not folder.exists():
        return None
    try:
        return load_saved(Generations(folder, "r"))
    except CheckpointError as error:
        warn(f"{error} It is removed, and the work starts again.", CheckpointWarning)
        shutil.rmtree(folder, ignore_errors=True)
        return None
