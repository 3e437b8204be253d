"""The likely and the most reads, bytes, memory and time of a run, before its first read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from streamkm.engine import can_cache
from streamkm.fitting import FitState, with_scaling
from streamkm.rows import Budget, Rows, StoredRows
from streamkm.runs.calibration import Calibration, calibrate
from streamkm.runs.fit import PreparedFit, first_fit_state
from streamkm.runs.likely import LikelyReads, likely_reads
from streamkm.seeding import method_of
from streamkm.sizes import show_seconds
from streamkm.updates import AcceleratedUpdate
from streamkm.updates.accelerated import SETTLING_STEPS

if TYPE_CHECKING:  # it imports xarray, which fits do not need
    from streamkm.runs.sweep import PreparedSweep

Forecast: TypeAlias = dict[str, str | int | float | list[int] | None]

# Seconds of a search in memory on two cores, at most, for at least so many clusters; for fewer, in
# proportion [streamkm.in_memory.search]. Lloyd's steps on the sample follow, of the work of so many
# iterations over all rows [streamkm.seeding.coreset].
_SEARCH_SECONDS, _SEARCH_CLUSTERS = 10.0, 1000
_SETTLING_ITERATIONS = 2


@dataclass(frozen=True)
class _Passes:
    """Passes over the data of a run; each is a read unless blocks are cached.

    Parameters
    ----------
    seeding : number of passes of the seeding
    likely : LikelyReads, passes of the iterations
    max_iter : maximum number of iterations
    last : number of passes for the final loss and the labels
    """

    seeding: int
    likely: LikelyReads
    max_iter: int
    last: int

    def all(self, iterations: int) -> int:
        """Number of passes with so many passes of iterations."""
        return self.seeding + iterations + self.last


def forecast_fit(prepared: PreparedFit, labelled: bool, timed: bool = False) -> Forecast:
    """Return the likely and the most cost of a fit.

    Parameters
    ----------
    prepared : PreparedFit
    labelled : whether labels are written
    timed : whether to measure the time of a read on some blocks; otherwise nothing is read
    """
    options = prepared.options
    seeding = method_of(str(options.init)).reads(options.n_clusters) + (options.scale is not None)
    # The last loss and the labels come from one read, unless restarts compete for it.
    last = 1 + int(labelled and options.n_init > 1)
    if options.bounded:  # the sample, two rounding reads, and the labels
        last = 3 + int(labelled)
    rows = with_scaling(prepared.rows, options.scaling)
    state = first_fit_state(prepared, rows)
    likely = likely_reads(prepared.rules, _boundary_share(state, rows), options.n_init)
    passes = _Passes(seeding, likely, options.max_iter, last)
    bounds = _forecast(rows, prepared.budget, passes, labelled)
    inits = [str(options.init)] * options.n_init
    searches = [(init, options.n_clusters) for init in inits]
    return bounds | (_times(rows, prepared.budget, state, passes, searches) if timed else {})


def forecast_bisecting(prepared: PreparedFit, labelled: bool) -> Forecast:
    """Return the likely and the most cost of bisecting k-means, whose splits are fits with k=2."""
    options = prepared.options
    splits = max(1, options.n_clusters - 1)
    seeding = splits * method_of(str(options.init)).reads(2) + (options.scale is not None)
    likely = likely_reads(prepared.rules, 0.0, options.n_init).times(splits)
    passes = _Passes(seeding, likely, splits * options.max_iter, splits + int(labelled))
    return {"splits": splits, **_forecast(prepared.rows, prepared.budget, passes, labelled)}


def forecast_sweep(prepared: PreparedSweep, timed: bool = False) -> Forecast:
    """Return the likely and the most cost of a sweep; for `timed` see `forecast_fit`."""
    from streamkm.runs.sweep import first_state_of_sweep

    options = prepared.options
    rows = with_scaling(prepared.rows, options.fit.scaling)
    ks, inits = options.n_clusters, options.inits
    seeding = max(method_of(init).reads(k) for init in inits for k in ks)
    seeding += options.fit.scale is not None
    n_fits = len(ks) * len(inits)
    # The slowest method of the restarts counts.
    candidates = [
        likely_reads(options.fit.rules.after(init, max(ks)), 0.0, n_fits) for init in set(inits)
    ]
    likely = max(candidates, key=lambda reads: reads.median)
    passes = _Passes(seeding, likely, options.fit.max_iter, 1)
    bounds = _forecast(rows, prepared.budget, passes)
    validation: Forecast = {} if prepared.validation is None else {"reads_validation": 1}
    times: Forecast = {}
    if timed:
        searches = [(init, k) for init in inits for k in ks]
        state = first_state_of_sweep(prepared, rows)
        times = _times(rows, prepared.budget, state, passes, searches)
    return {"fits": n_fits, **bounds, **validation, **times}


def _boundary_share(state: FitState, rows: Rows) -> float:
    """Return the share of the rows that may be boundary rows."""
    update = state.trajectories[0].update
    most = update.most if isinstance(update, AcceleratedUpdate) else 0
    return most / rows.layout.n_rows


def _settling_steps(state: FitState, rows: Rows) -> float:
    """Return the steps on boundary rows that follow a read at most, as steps of all rows."""
    update = state.trajectories[0].update
    settles = isinstance(update, AcceleratedUpdate) and update.settles
    return SETTLING_STEPS * min(1.0, _boundary_share(state, rows)) if settles else 0.0


def _forecast(rows: Rows, budget: Budget, passes: _Passes, labelled: bool = False) -> Forecast:
    """Return the reads, bytes and memory of a run, by phase."""
    layout, a_read = rows.layout, rows.layout.nbytes
    cached = rows.cached_nbytes if isinstance(rows, StoredRows) and can_cache(rows) else None
    likely = passes.likely
    skipped = 0 if labelled else 1  # reads for the loss of a fit that ends when nothing moves
    if cached is not None:  # the first read is the only one
        passes = _Passes(1, replace(likely, least=0, median=0, most=0), 0, 0)
    block = rows.plan.largest * (a_read // layout.n_rows + budget.answer_nbytes)
    known = replace(budget.of(layout), threads=budget.threads + rows.ahead)
    most, reads = passes.all(passes.max_iter), passes.all(passes.likely.median)
    return {
        "rows": layout.n_rows,
        "features": layout.n_features,
        "dtype": str(layout.dtype),
        "blocks": rows.plan.n_blocks,
        "block_bytes": block,
        "bytes_a_read": a_read,
        "reads_seeding": passes.seeding,
        "bytes_seeding": passes.seeding * a_read,
        "reads_likely": reads,
        "reads_likely_range": [passes.all(likely.least) - skipped, passes.all(likely.most)]
        if cached is None
        else None,
        "bytes_likely": reads * a_read,
        "reads_likely_if": likely.condition if cached is None and likely.condition else None,
        "reads_iterations_at_most": passes.max_iter,
        "bytes_iterations_at_most": passes.max_iter * a_read,
        "reads_loss_and_labels": passes.last,
        "bytes_loss_and_labels": passes.last * a_read,
        "reads_at_most": most,
        "bytes_at_most": most * a_read,
        "reads_besides": "one for each iteration that finds an empty cluster"
        if cached is None
        else None,
        "reads_if_few_distinct_rows": 1 + int(labelled and cached is None),
        "cached_bytes": cached,
        "distinct_rows_at_most_then": budget.room(layout).table,
        "threads": budget.threads,
        "projected_memory_bytes": known.projected(
            block, rows.plan.n_blocks, rows.resident_nbytes + (cached or 0)
        ),
        "memory_limit_bytes": budget.limit,
    }


def _times(
    rows: Rows,
    budget: Budget,
    state: FitState,
    passes: _Passes,
    searches: Sequence[tuple[str, int]],
) -> Forecast:
    """Return the time of a run by a measurement on some blocks.

    Parameters
    ----------
    searches : the seeding method and k of each restart
    """
    measured = calibrate(rows, state, budget.threads)
    settling = _settling_steps(state, rows) * (measured.step - measured.reading)
    cached = isinstance(rows, StoredRows) and can_cache(rows)
    search = _search_seconds(searches, measured)
    likely, most = (
        search + settling * iterations + _seconds(measured, passes, searches, iterations, cached)
        for iterations in (passes.likely.median, passes.max_iter)
    )
    each = f"{passes.all(passes.likely.median)} reads of {show_seconds(measured.step)}"
    if cached:
        n_more = passes.all(passes.likely.median) - 1
        each = f"a read of {show_seconds(measured.reading)} and {n_more} passes in memory of "
        each += show_seconds(measured.in_memory)
    within = f", a search of at most {show_seconds(search)}" if search else ""
    if settling:
        within += f", settling of at most {show_seconds(settling)} after each iteration"
    return {
        "time": f"about {show_seconds(likely)} ({each}{within}); at most {show_seconds(most)}",
        "seconds_a_read": measured.reading if cached else measured.step,
        "seconds_a_pass_in_memory": measured.in_memory if cached else None,
        "seconds_search_at_most": search,
        "seconds_settling_at_most": settling,
        "seconds_likely": likely,
        "seconds_at_most": most,
        "calibration_seconds": measured.seconds,
        "calibration_bytes": measured.nbytes,
    }


def _seconds(
    measured: Calibration,
    passes: _Passes,
    searches: Sequence[tuple[str, int]],
    iterations: int,
    cached: bool,
) -> float:
    """Return the seconds of all passes, of which so many are of iterations."""
    if cached:
        return measured.reading + (passes.all(iterations) - 1) * measured.in_memory
    methods = [(method_of(init), k) for init, k in searches]
    width = sum(method.width(k) for method, k in methods) / sum(k for _, k in methods)
    seeding = measured.reading + width * (measured.step - measured.reading)
    return passes.seeding * seeding + (iterations + passes.last) * measured.step


def _search_seconds(searches: Sequence[tuple[str, int]], measured: Calibration) -> float:
    """Return the seconds of the searches of the seedings in memory, about and at most."""
    ks = [k for init, k in searches if method_of(init).least_sample is not None]
    starts = sum(_SEARCH_SECONDS * min(1.0, k / _SEARCH_CLUSTERS) for k in ks)
    computing = measured.step - measured.reading
    return starts + (_SETTLING_ITERATIONS * computing if ks else 0.0)
