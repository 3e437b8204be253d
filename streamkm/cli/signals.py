"""Conditions on which a run with a checkpoint stops: signals and time limits."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from streamkm.checkpoint import Generations, load_saved
from streamkm.errors import CheckpointError, DataError, RunAgain
from streamkm.fitting import Checkpoint, FitState, describe
from streamkm.sizes import show_seconds

_MARGIN = 5.0  # seconds for writing the last checkpoint, in addition to a wave


class Stopping:
    """Stop a run at the end of a wave after a signal or before a time limit.

    A second Ctrl-C ends the process immediately, with its last checkpoint.

    Parameters
    ----------
    checkpoint : Checkpoint to which the last state is saved
    time_limit : seconds from now, or None
    again_code : exit code of a stopped run
    """

    def __init__(self, checkpoint: Checkpoint, time_limit: float | None, again_code: int) -> None:
        self._checkpoint, self._code = checkpoint, again_code
        self._caught: str | None = None
        now = time.time()
        own = None if time_limit is None else now + time_limit
        self._end = min((end for end in (own, slurm_end()) if end), default=None)
        self._last, self._longest = now, 0.0
        self._state: FitState | None = None
        self._began, self._searching = now, 0.0  # the latter is the start of a search, or 0

    def catch(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal: set a flag."""
        name = signal.Signals(number).name
        if number == signal.SIGINT and self._caught == name:
            raise KeyboardInterrupt
        self._caught = name

    def on_state(self, state: FitState) -> None:
        """Save the state and stop, if requested.

        Raises
        ------
        RunAgain
            If the state is saved; the same command resumes the run.
        CheckpointError
            If the state could not be saved.
        """
        now = time.time()
        self._longest, self._last = max(self._longest, now - self._last), now
        self._state, self._searching = state, 0.0
        why = self._why(now + self._longest)
        if why is None or (state.done and not state.read_blocks):
            return
        where = describe(state)
        if not self._checkpoint.save(state):
            raise CheckpointError(f"stopped {why} at {where}; the last good checkpoint remains.")
        raise RunAgain(f"stopped {why} at {where}; run the same command to resume.", self._code)

    def on_search(self, step: str) -> None:
        """Save the last state and stop, if requested, at a step of a search in memory.

        Raises
        ------
        RunAgain
            If the state is saved; the next run repeats the step.
        CheckpointError
            If the step used most of the time of this run, so that the next run would stop here,
            too.
        """
        now = time.time()
        self._last = now  # a search does not count as a wave
        self._searching = self._searching or now
        why = self._why(now)
        if why is None:
            return
        if self._state is not None:  # otherwise it is the state with which the run began
            self._checkpoint.save(self._state)
        where = f"stopped {why} in a search in memory ({step})"
        if self._caught is None and now - self._searching > (now - self._began) / 2:
            raise CheckpointError(
                f"{where}. This step ran for {show_seconds(now - self._searching)} and needs more "
                "time: raise the time limit, or choose another --init, such as random."
            )
        raise RunAgain(f"{where}; run the same command to resume.", self._code)

    def _why(self, wanted: float) -> str | None:
        """Return why the run cannot continue until the time `wanted`, or None if it can."""
        if self._caught is None and self._end and wanted + _MARGIN > self._end:
            return "by the time limit"
        return None if self._caught is None else f"({self._caught})"


@contextmanager
def stopping(
    checkpoint: Checkpoint, signals: Sequence[int], time_limit: float | None, again_code: int
) -> Iterator[Stopping]:
    """Yield a `Stopping` that handles signals until the block ends.

    Parameters
    ----------
    checkpoint, time_limit, again_code : as for `Stopping`
    signals : numbers of the signals
    """
    made = Stopping(checkpoint, time_limit, again_code)
    before = {number: signal.signal(number, made.catch) for number in signals}
    try:
        yield made
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def numbers_of(signals: str) -> list[signal.Signals]:
    """Return signals by their names without SIG, separated by commas.

    Raises
    ------
    DataError
        If there is no signal of a name.
    """
    names = [name.strip() for name in signals.upper().split(",") if name.strip()]
    for name in sorted({"KILL", "STOP"} & set(names)):
        raise DataError(f"the signal {name} cannot be handled; give names such as TERM,USR1.")
    try:
        return [signal.Signals[f"SIG{name}"] for name in names]
    except KeyError as error:
        raise DataError(f"unknown signal {error}; give names such as TERM,USR1.") from error


def fit_in(checkpoint: str | None) -> str:
    """Return the identity of the fit of a checkpoint, or an empty string."""
    if checkpoint is None:
        return ""
    try:
        saved = load_saved(Generations(checkpoint, "r"))
    except CheckpointError:
        return ""  # opening it for writing reports the problem
    return saved.record.identity if saved else ""


def slurm_end() -> float | None:
    """Return the end of the current Slurm job in seconds since 1970, or None."""
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
    except (OSError, subprocess.SubprocessError, ValueError):  # no limit, or unknown
        return None
