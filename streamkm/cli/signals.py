"""When a run with a checkpoint must leave: signals, and the end of its time."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from streamkm.checkpoint import Generations
from streamkm.errors import CheckpointError, DataError, RunAgain
from streamkm.fitting import Checkpoint, FitState, describe, load
from streamkm.sizes import show_seconds

_MARGIN = 5.0  # seconds to write the last checkpoint in, beside a wave


class Stopping:
    """Signals set a flag only; `see` leaves at the end of the wave.

    A second Ctrl-C ends the process at once, with the last checkpoint it has.

    Parameters
    ----------
    checkpoint : Checkpoint, to save to
    time_limit : seconds from now, or None
    again_code : exit code that says so
    """

    def __init__(self, checkpoint: Checkpoint, time_limit: float | None, again_code: int) -> None:
        self._checkpoint, self._code = checkpoint, again_code
        self._caught: str | None = None
        now = time.time()
        own = None if time_limit is None else now + time_limit
        self._end = min((end for end in (own, slurm_end()) if end), default=None)
        self._last, self._longest = now, 0.0
        self._state: FitState | None = None
        self._began, self._searching = now, 0.0  # the latter is when a search began, or 0

    def catch(self, number: int, frame: FrameType | None) -> None:
        """What a signal does: as little as can be."""
        name = signal.Signals(number).name
        if number == signal.SIGINT and self._caught == name:
            raise KeyboardInterrupt
        self._caught = name

    def see(self, state: FitState) -> None:
        """Save and leave, where that is wanted.

        Raises
        ------
        RunAgain
            The state is saved; the same command goes on from there.
        CheckpointError
            When it could not be.
        """
        now = time.time()
        self._longest, self._last = max(self._longest, now - self._last), now
        self._state, self._searching = state, 0.0
        why = self._why(now + self._longest)
        if why is None or (state.done and not state.folded):
            return
        where = describe(state)
        if not self._checkpoint.save(state):
            raise CheckpointError(f"stopped ({why}) at {where}, with the last good checkpoint.")
        raise RunAgain(f"stopped ({why}) at {where}; run the same command to go on.", self._code)

    def searching(self, words: str) -> None:
        """Save the last state and leave, where that is wanted, at a step of a search in memory.

        Raises
        ------
        RunAgain
            The next run begins the search again: a checkpoint does not hold it.
        CheckpointError
            When the search had most of the time of this run, so that the next would end here too.
        """
        now = time.time()
        self._last = now  # a search is no wave, whatever it takes
        self._searching = self._searching or now
        why = self._why(now)
        if why is None:
            return
        if self._state is not None:  # or it is the one that the run began with
            self._checkpoint.save(self._state)
        where = f"stopped ({why}) in a search in memory ({words}), which a run begins anew"
        if self._caught is None and now - self._searching > (now - self._began) / 2:
            raise CheckpointError(
                f"{where}. It had {show_seconds(now - self._searching)} and needs more: raise the "
                "time limit, or choose another --init, such as random."
            )
        raise RunAgain(f"{where}; run the same command to go on.", self._code)

    def _why(self, wanted: float) -> str | None:
        """Why the run must leave, where it wants to go on until some time; else None."""
        if self._caught is None and self._end and wanted + _MARGIN > self._end:
            left = self._end - time.time()
            return f"only {show_seconds(max(0.0, left))} of its time are left"
        return self._caught


@contextmanager
def stopping(
    checkpoint: Checkpoint, signals: str, time_limit: float | None, again_code: int
) -> Iterator[Stopping]:
    """A `Stopping` that these signals reach until the block ends.

    Parameters
    ----------
    checkpoint, time_limit, again_code : as for `Stopping`
    signals : names without SIG, between commas

    Raises
    ------
    DataError
        When there is no signal of a name.
    """
    numbers = numbers_of(signals)
    made = Stopping(checkpoint, time_limit, again_code)
    before = {number: signal.signal(number, made.catch) for number in numbers}
    try:
        yield made
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def numbers_of(signals: str) -> list[signal.Signals]:
    """Signals by their names without SIG, between commas."""
    names = [name.strip() for name in signals.upper().split(",") if name.strip()]
    try:
        return [signal.Signals[f"SIG{name}"] for name in names]
    except KeyError as error:
        raise DataError(f"there is no signal {error}; give names such as TERM,USR1.") from error


def fit_in(checkpoint: str) -> str:
    """The identity of the fit that a checkpoint holds; an empty text where there is none yet."""
    try:
        saved = load(Generations(checkpoint, "r"))
    except CheckpointError:
        return ""  # whoever opens it to write says what is wrong
    return saved.record.identity if saved else ""


def slurm_end() -> float | None:
    """When the Slurm job around this process ends, as seconds since 1970; None outside of one."""
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        return None
    known = os.environ.get("SLURM_JOB_END_TIME")
    if known and known.isdigit():
        return float(known)
    try:
        asked = ["squeue", "--noheader", "--job", job, "--format", "%e"]
        said = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True)
        return time.mktime(time.strptime(said.stdout.strip(), "%Y-%m-%dT%H:%M:%S"))
    except (OSError, subprocess.SubprocessError, ValueError):  # no limit, or nobody to ask
        return None
