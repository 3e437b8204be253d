"""A whole fit, from the memory budget to the labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

from streamkm.arrays import AnyArray, Float64Array
from streamkm.errors import CheckpointError, DataChangedError, RunAgain
from streamkm.fitting import (
    FitState,
    StateCallback,
    first_state,
    iterate,
    label,
    match_numbering,
    restart_seeds,
    with_scaling,
)
from streamkm.heap import one_heap
from streamkm.models.model import Model
from streamkm.rows import Budget, Rows, Scaling, among
from streamkm.runs.fit_options import FitOptions
from streamkm.runs.options import CheckpointOptions, DataOptions, draw_seed
from streamkm.runs.running import ProgressCallbacks, Running, Start, publish, running, scaled_rows
from streamkm.updates import StopRules, history_array
from streamkm.versions import versions

# Writes the labels of a state, yields the next state, and publishes the labels at the block's end.
LabelWriter: TypeAlias = Callable[
    [Rows, FitState, Sequence[StateCallback], str], AbstractContextManager[FitState]
]


@dataclass(frozen=True)
class PreparedFit:
    """A fit with open data and checked options, before the first read.

    Parameters
    ----------
    options : FitOptions
    rows : Rows
    budget : Budget
    """

    options: FitOptions
    rows: Rows
    budget: Budget

    @property
    def init(self) -> str | list[Float64Array]:
        """The seeding method, or the given centroids with features in the order of the data."""
        return self.options.first_centroids(self.rows.layout.names)

    @property
    def rules(self) -> StopRules:
        """The stop rules after this seeding."""
        return self.options.rules.after(self.init, self.options.n_clusters)

    @property
    def parameters(self) -> dict[str, Any]:
        """The options as a checkpoint stores them.

        A random state that is not a number is omitted, because it cannot be compared.
        """
        parameters = dict(vars(self.options)) | {"init": self.init}
        if not isinstance(self.options.random_state, int):
            del parameters["random_state"]
        return parameters


@dataclass(frozen=True)
class FitResult:
    """The result of a fit.

    Parameters
    ----------
    state : FitState, done
    rows : Rows, with the scaling of the centroids; their blocks are not cached
    identity : str
        Shared by all runs that resumed one another; empty without a checkpoint.
    failure : Exception or None
        The error that prevented the labels from being written.
    """

    state: FitState
    rows: Rows
    identity: str = ""
    failure: Exception | None = None


def prepare(data: DataOptions, options: FitOptions) -> PreparedFit:
    """Plan the memory, open the data once, and check the options against them.

    Raises
    ------
    DataError
        If the data cannot be clustered with these options.
    MemoryLimitError
        If the work does not fit the memory limit.
    """
    if data.memory_limit is not None:
        one_heap()
    budget = options.budget(data.memory_limit)
    data = replace(data, missing=options.missing)
    rows = options.plan(data.open(budget), budget)
    options.check(rows)
    return PreparedFit(options.for_rows(rows), rows, budget)


def fit(
    prepared: PreparedFit,
    *,
    checkpoint: CheckpointOptions | None = None,
    labels: LabelWriter | AnyArray | None = None,
    number_like: tuple[Float64Array, Scaling | None] | None = None,
    progress: ProgressCallbacks | None = None,
    save: Callable[[FitResult], None] | None = None,
) -> FitResult:
    """Run a fit, and label the rows on request; with a checkpoint, start or resume.

    Parameters
    ----------
    prepared : PreparedFit
    checkpoint : CheckpointOptions or None
    labels : ndarray of the row shape, a function that writes labels, or None
    number_like : centroids and their scaling, or None
        The clusters take the numbers of the centroids that they match.
    progress : ProgressCallbacks or None
    save : callable or None
        Saves the model. The labels are published directly after that.

    Returns
    -------
    FitResult

    Raises
    ------
    CheckpointError, DataChangedError
        If the checkpoint belongs to other options or other data.
    RunAgain
        If an interrupt ended the run; its state is saved.
    """
    progress = progress or ProgressCallbacks()
    options = prepared.options
    start = Start(
        prepared.rows,
        prepared.budget,
        [prepared.rules] * options.n_init,
        partial(begin, prepared, progress),
        prepared.parameters | {"labels": labels is not None},
    )
    with (
        running(start, checkpoint, progress, options.time_limit, labels is not None) as run,
        ExitStack() as publishing,
    ):
        if number_like is not None:
            centroids, scaling = number_like
            known = among(centroids, run.state.scaling, scaling)
            run = replace(run, state=match_numbering(run.state, known))
        state, failure = _with_labels(run, labels, progress, publishing)
        result = FitResult(state, with_scaling(run.rows, state.scaling), run.identity, failure)
        return publish(result, publishing, save)


def model_from_fit(result: FitResult, parameters: dict[str, Any]) -> Model:
    """Return the model of a fit for storage, with the parameters of the run."""
    state, names = result.state, result.rows.layout.names
    best, scaling = state.best, state.scaling
    assert best.centroids is not None
    return Model(
        best.centroids if scaling is None else scaling.back(best.centroids),
        inertia=math.nan if best.inertia is None else best.inertia,
        history=history_array(best.history),
        stop_reason=best.stop_reason or "",
        n_passes=state.n_passes,
        bytes_read=state.reads.bytes_read,
        reads=state.reads.by_phase,
        parameters=parameters,
        versions=versions(),
        fit=result.identity,
        scaling=scaling,
        scaled=None if scaling is None else best.centroids,
        features=list(names or ()),
        units=list(result.rows.layout.units or ()),
        counts=best.counts,
    )


def begin(prepared: PreparedFit, progress: ProgressCallbacks) -> FitState:
    """Return the first state; learning a scaling takes a read."""
    return first_fit_state(prepared, scaled_rows(prepared.rows, prepared.options, progress))


def first_fit_state(prepared: PreparedFit, rows: Rows) -> FitState:
    """Return the first state of a fit to the rows, scaled if they are, without reading data."""
    options, scaling, init = prepared.options, rows.layout.scaling, prepared.init
    return first_state(
        rows,
        options.n_clusters,
        init if isinstance(init, str) else [among(each, scaling) for each in init],
        restart_seeds(draw_seed(options.random_state), options.n_init),
        options.update,
        prepared.budget.room(rows.layout),
        options.restarts == "halving",
    )


def _with_labels(
    run: Running,
    labels: LabelWriter | AnyArray | None,
    progress: ProgressCallbacks,
    publishing: ExitStack,
) -> tuple[FitState, Exception | None]:
    """The state after labelling, and the error that prevented it, or None."""
    rows, state, watch = run.cached, run.state, run.watch
    if labels is None:
        return state, None
    if not callable(labels):
        return label(rows, state, labels), None
    progress.read("labels")
    try:
        return publishing.enter_context(labels(rows, state, watch, run.identity)), None
    except DataChangedError as error:
        if run.checkpoint is not None:  # the run resumes once the old data are restored
            raise
        return state, error
    except (RunAgain, CheckpointError):
        raise
    except Exception as error:  # without labels, the model is still saved
        progress.read("loss")
        return _evaluated(rows, state, watch), error


def _evaluated(rows: Rows, state: FitState, watch: Sequence[StateCallback]) -> FitState:
    """The state with the loss of the final centroids; without it if the read fails."""
    try:
        return iterate(rows, replace(state, folded=None), watch=watch)
    except (RunAgain, CheckpointError):
        raise
    except Exception:  # the model is saved without its loss
        return state
