"""The common part of all runs: checkpoint, interrupts, cached blocks and iterations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from streamkm.engine import caching, same_processes
from streamkm.fitting import (
    Checkpoint,
    FitState,
    StateCallback,
    checkpointing,
    describe,
    iterate,
    learn_scaling,
    with_scaling,
)
from streamkm.in_memory.monitor import monitored
from streamkm.rows import Budget, Rows
from streamkm.runs.fit_options import FitOptions
from streamkm.runs.options import CheckpointOptions
from streamkm.updates import StopRules


def _ignore(*_: Any) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class ProgressCallbacks:
    """Functions that show the progress of a run; each does nothing by default.

    Parameters
    ----------
    state : called with every state
    search : called with every step of a search in memory
    read : called with the name of a read that begins
    message : called with a line of text
    part : called with the name of a part of a run that begins, such as a split
    stage : called with the name, the finished and all parts of other work than reads
    """

    state: StateCallback = _ignore
    search: Callable[[str], None] | None = None
    read: Callable[[str], None] = _ignore
    message: Callable[[str], None] = _ignore
    part: Callable[[str], None] = _ignore
    stage: Callable[[str, int, int], None] = _ignore


@dataclass(frozen=True)
class Start:
    """How a run starts, or resumes if its checkpoint has a state.

    Parameters
    ----------
    rows : Rows
    budget : Budget
        Memory that a resumed run may use for the blocks of the stored plan.
    rules : sequence of StopRules
        Stop rules of each trajectory.
    first_state : callable
        Returns the first state. It is not called if the checkpoint has a state.
    parameters : mapping
        Options that the checkpoint compares.
    kind : str
        Kind of the run, such as 'fit' or 'sweep'.
    """

    rows: Rows
    budget: Budget
    rules: Sequence[StopRules]
    first_state: Callable[[], FitState]
    parameters: Mapping[str, Any]
    kind: str = "fit"


@dataclass(frozen=True)
class Running:
    """A run whose iterations have ended.

    Parameters
    ----------
    state : FitState
    rows : Rows
        In the block plan of the state; blocks are not cached.
    cached : Rows
        The same rows; their blocks are cached until the run ends, if memory allows.
    watch : sequence of callables
        Called with every state of a further read.
    checkpoint : Checkpoint or None
    resumed : bool
        Whether an earlier run has started it.
    """

    state: FitState
    rows: Rows
    cached: Rows
    watch: Sequence[StateCallback]
    checkpoint: Checkpoint | None = None
    resumed: bool = False

    @property
    def identity(self) -> str:
        """Identity, shared by all runs that resume one another; empty without a checkpoint."""
        return "" if self.checkpoint is None else self.checkpoint.identity


def scaled_rows(rows: Rows, options: FitOptions, progress: ProgressCallbacks) -> Rows:
    """Return the rows with the scaling of a fit, which takes a read if it is learned."""
    rows = with_scaling(rows, options.scaling)
    if options.scale is None:
        return rows
    progress.read("read 1: scale")
    rows = learn_scaling(rows, options.scale)
    progress.read(f"read {rows.opening_reads + 1}")
    return rows


class Result(Protocol):
    """The result of a run that also writes labels; a frozen dataclass."""

    @property
    def failure(self) -> Exception | None:
        """The error that prevented the labels from being written."""


R = TypeVar("R", bound=Result)


def publish(result: R, publishing: ExitStack, save: Callable[[R], None] | None) -> R:
    """Save the model, and publish the labels directly after that.

    Returns
    -------
    The result, with the error that prevented the publication, if any.
    """
    if save is not None:
        save(result)
    try:
        publishing.close()
    except OSError as error:
        return replace(result, failure=error)  # type: ignore[type-var]
    return result


@contextmanager
def running(
    start: Start,
    checkpoint: CheckpointOptions | None = None,
    progress: ProgressCallbacks | None = None,
    time_limit: float | None = None,
    skip_evaluation: bool = False,
) -> Iterator[Running]:
    """Start or resume a run, and iterate until it is done.

    Parameters
    ----------
    start : Start
    checkpoint : CheckpointOptions or None
    progress : ProgressCallbacks or None
    time_limit : float or None
        In seconds. An interrupt of the checkpoint has its own limit instead.
    skip_evaluation : bool
        Leave the loss of the final centroids to a later read, such as that of labelling.

    Raises
    ------
    CheckpointError, DataChangedError
        If the checkpoint belongs to other options or other data.
    RunAgain
        If an interrupt ended the run; its state is saved.
    """
    progress = progress or ProgressCallbacks()
    with ExitStack() as stack:
        stack.enter_context(same_processes())
        stack.enter_context(monitored(progress.search))
        watch: list[StateCallback] = [progress.state]
        saved, is_new = None, True
        with ExitStack() as errors:
            if checkpoint is None:
                state = start.first_state()
                rows = with_scaling(start.rows, state.scaling)
            else:
                saved = stack.enter_context(
                    checkpointing(
                        checkpoint.where,
                        start.rows,
                        start.parameters,
                        checkpoint.seconds,
                        checkpoint.reads,
                        kind=start.kind,
                    )
                )
                watch = [errors.enter_context(saved.plain_errors())(progress.state)]
                state, rows, is_new = saved.start_or_resume(
                    start.first_state, start.rules, start.budget
                )
                if not is_new:
                    progress.message(f"resuming from {checkpoint.where}, {describe(state)}")
                stack.enter_context(monitored(saved.on_search))
                if checkpoint.interrupt is not None:
                    interrupt = stack.enter_context(checkpoint.interrupt(saved))
                    stack.enter_context(monitored(interrupt.on_search))
                    watch.append(interrupt.on_state)
                    time_limit = None
                watch.append(saved.on_state)
            cached = stack.enter_context(caching(rows))
            state = iterate(
                cached, state, time_limit=time_limit, watch=watch, skip_evaluation=skip_evaluation
            )
        yield Running(state, rows, cached, watch, saved, not is_new)
