"""Runs of sweeps: the fits of every k share each read, and a Dataset holds their results."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import xarray as xr

from streamkm.arrays import Float64Array
from streamkm.engine import map_reduce
from streamkm.errors import DataError, ValidationWarning
from streamkm.fitting import FitState, first_sweep_state, fit_budget, restart_seeds
from streamkm.fitting.scaling import with_scaling
from streamkm.heap import one_heap
from streamkm.models.sweep import as_text
from streamkm.models.sweep_table import SweepFits, add_distortions, sweep_table
from streamkm.outputs import SWEEP
from streamkm.passes import Census, Lloyd, Pass, Product, Sampled, SampleUniform, threshold_of
from streamkm.rows import Budget, Rows
from streamkm.runs.options import CheckpointOptions, DataOptions, draw_seed
from streamkm.runs.running import ProgressCallbacks, Running, Start, running, scaled_rows
from streamkm.runs.sweep_options import SweepOptions
from streamkm.versions import versions
from streamkm.warn import warn

_PARAMETERS = ("init", "n_init", "max_iter", "tol", "scale")  # those that a sweep stores
_SILHOUETTE_STREAM = 2**62  # random stream of the sample; seedings use other streams


@dataclass(frozen=True)
class PreparedSweep:
    """A sweep with open data and checked options, before the first read.

    Parameters
    ----------
    options : SweepOptions
    rows : Rows
    budget : Budget
    validation : Rows or None
    """

    options: SweepOptions
    rows: Rows
    budget: Budget
    validation: Rows | None

    @cached_property
    def seed(self) -> int:
        """The number that all draws are derived from; drawn on first use, when a sweep starts."""
        return draw_seed(self.options.fit.random_state)


def prepare_sweep(
    data: DataOptions, options: SweepOptions, validation: DataOptions | None = None
) -> PreparedSweep:
    """Plan the memory, open all data once, and check the options against them.

    Raises
    ------
    DataError
        If the data cannot be clustered, or the validation data have other features.
    MemoryLimitError
        If the work does not fit the memory limit.
    """
    if data.memory_limit is not None:
        one_heap()
    auto = options.fit.init == "auto"
    budget = fit_budget(
        data.memory_limit, options.inits, options.n_clusters, keeps=False, samples_if_small=auto
    )
    rows = data.open(budget)
    options.fit.check(rows)
    options = replace(options, fit=options.fit.for_rows(rows))
    others = None
    if validation is not None:
        others = replace(validation, names=rows.layout.names).open(budget)
        n_features = others.layout.n_features
        if n_features != rows.layout.n_features:
            raise DataError(
                f"the validation data have {n_features} features, but the data have "
                f"{rows.layout.n_features}."
            )
    return PreparedSweep(options, rows, budget, others)


@dataclass(frozen=True)
class FittedSweep:
    """The finished fits of every k.

    Parameters
    ----------
    fits : SweepFits
    run : Running, which has ended
    n_rows : float or None
        Number of rows of positive weight; None without weights.
    sample : Sampled or None
        Rows for scores.
    """

    fits: SweepFits
    run: Running
    n_rows: float | None
    sample: Sampled | None


def run_fits(
    prepared: PreparedSweep,
    checkpoint: CheckpointOptions | None = None,
    progress: ProgressCallbacks | None = None,
) -> FittedSweep:
    """Run the fits of every k in shared reads; parameters and errors are those of `sweep`."""
    options, progress = prepared.options, progress or ProgressCallbacks()
    start = Start(
        prepared.rows,
        prepared.budget,
        options.rules,
        partial(_first_state, prepared, progress),
        options.compared,
        kind="sweep",
    )
    with running(start, checkpoint, progress) as run:
        state = run.state
    fits = SweepFits(options.n_clusters, options.fit.n_init, state.trajectories, state.scaling)
    return FittedSweep(fits, run, *_answers(prepared, state))


def sweep(
    prepared: PreparedSweep,
    checkpoint: CheckpointOptions | None = None,
    progress: ProgressCallbacks | None = None,
) -> xr.Dataset:
    """Run the fits of every k; with a checkpoint, start or resume.

    Parameters
    ----------
    prepared : PreparedSweep
    checkpoint : CheckpointOptions or None
    progress : ProgressCallbacks or None

    Returns
    -------
    xarray.Dataset
        See `streamkm.sweep`. With a checkpoint, the attribute `fit` is its identity.

    Raises
    ------
    CheckpointError, DataChangedError
        If the checkpoint belongs to other options or other data.
    RunAgain
        If an interrupt ended the run; its state is saved.
    """
    options = prepared.options
    fitted = run_fits(prepared, checkpoint, progress)
    fits, run, state = fitted.fits, fitted.run, fitted.run.state
    table = sweep_table(fits, fitted.sample, fitted.n_rows)
    if prepared.validation is not None:
        try:
            add_distortions(table, "validation", _distortions(fits, prepared.validation))
        except DataError as error:
            said = "the validation data cannot be used, so the sweep continues without them:"
            found = ValidationWarning(said, python=str(error), command=error.for_command)
            warn(found, ValidationWarning)
    is_seed_known = isinstance(options.fit.random_state, int) or not run.resumed
    table.attrs |= {
        "kind": SWEEP,
        "n_passes": state.n_passes,
        "bytes_read": state.reads.bytes_read,
        "reads": as_text(state.reads.by_phase),
        "features": list(prepared.rows.layout.names or ()),
        "parameters": as_text(
            {name: getattr(options.fit, name) for name in _PARAMETERS}
            | {"random_state": prepared.seed if is_seed_known else None}
        ),
        "versions": as_text(versions()),
    }
    if prepared.rows.layout.units is not None:
        table.attrs["feature_units"] = list(prepared.rows.layout.units)
    if run.identity:
        table.attrs["fit"] = run.identity
    return table


def _first_state(prepared: PreparedSweep, progress: ProgressCallbacks) -> FitState:
    """The first state; learning a scaling takes a read, which all fits share."""
    return first_state_of_sweep(
        prepared, scaled_rows(prepared.rows, prepared.options.fit, progress)
    )


def first_state_of_sweep(prepared: PreparedSweep, rows: Rows) -> FitState:
    """Return the first state of a sweep of the rows, scaled if they are, without reading data.

    The passes for the number of rows and for the silhouette share its first read.
    """
    options = prepared.options
    n_sampled = options.silhouette_rows
    extra: list[Pass[Any]] = []
    if rows.weights is not None:
        extra.append(Census())
    if n_sampled:
        threshold = threshold_of(2 * n_sampled / rows.layout.n_rows)
        extra.append(SampleUniform(n_sampled, threshold, prepared.seed, _SILHOUETTE_STREAM))
    seeds = restart_seeds(prepared.seed, options.fit.n_init)
    room = prepared.budget.room(rows.layout)
    rules = options.fit.rules
    return first_sweep_state(rows, options.n_clusters, options.inits, seeds, rules, room, extra)


def _answers(prepared: PreparedSweep, state: FitState) -> tuple[float | None, Any]:
    """The number of rows of positive weight, and the sample for the silhouette, or None each."""
    answers = list(state.extra_statistics)
    n_rows = None if prepared.rows.weights is None else answers.pop(0).weighted
    return n_rows, answers[0] if answers else None


def _distortions(fits: SweepFits, rows: Rows) -> Float64Array:
    """Mean squared distance of other rows under every fit, in one read of them."""
    centroids = [t.centroids for t in fits.trajectories if t.centroids is not None]
    question = Product((Census(), *(Lloyd(each) for each in centroids)))
    census, *statistics = map_reduce(question, with_scaling(rows, fits.scaling)).parts
    census.check()
    pairs = zip(statistics, centroids, strict=True)
    return fits.table([one.inertia(c) / one.weight for one, c in pairs])
