"""Run a fit to its end, label rows by it, and describe its states."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.engine import write_rows
from streamkm.fitting.fit import fit
from streamkm.fitting.scaling import with_scaling
from streamkm.fitting.state import BlockNumbers, FitState
from streamkm.in_memory.monitor import monitored
from streamkm.passes import LookedUp, PerRow
from streamkm.reasons import NOTHING_MOVED, TIME_LIMIT
from streamkm.rows import Rows

# Looking up a label takes about 50 ns. Computing it is faster if each row repeats fewer times than
# this, or if the product of k and d is smaller than this [docs/seeding.md].
_REPEATS = 4
_PRODUCTS = 256
StateCallback = Callable[[FitState], None]


def iterate(
    rows: Rows,
    state: FitState,
    *,
    time_limit: float | None = None,
    watch: Sequence[StateCallback] = (),
    skip_evaluation: bool = False,
) -> FitState:
    """Iterate until the fit is done or its time is over.

    Parameters
    ----------
    rows : Rows
    state : FitState
    time_limit : float or None
        Seconds after which no further iteration starts. The reads of a seeding are always
        finished; a search in memory ends after its current step, with the best centroids so far,
        and so does the settling on boundary rows, with the centroids before it.
    watch : sequence of callable
        Each is called with every state.
    skip_evaluation : bool
        Skip the last read, for the loss of the final centroids; `label` then computes it.

    Returns
    -------
    FitState
    """
    end = None if time_limit is None else time.monotonic() + time_limit
    with (
        monitored(deadline=end),
        closing(fit(rows, state, skip_evaluation=skip_evaluation)) as states,
    ):
        for state in states:
            for function in watch:
                function(state)
            if end is not None and time.monotonic() > end and state.can_stop and not state.folded:
                break
    if state.done or state.folded or end is None or time.monotonic() <= end:
        return state
    return iterate(rows, state.stop(TIME_LIMIT), watch=watch, skip_evaluation=skip_evaluation)


def label(rows: Rows, state: FitState, out: AnyArray) -> FitState:
    """Write the labels of all rows by the best trajectory into `out`, in one read.

    The same read computes the loss of the final centroids if `iterate` skipped it.
    """
    read = rows.uncached(None)
    question = label_pass(rows, state, out.dtype)
    rows = with_scaling(rows, state.scaling)
    return labelled(state, write_rows(question, rows, out), read)


def label_pass(rows: Rows, state: FitState, dtype: np.dtype[Any]) -> PerRow[Any]:
    """The pass that labels rows under the best trajectory."""
    best, table = state.best, state.table
    assert best.centroids is not None
    assert best.state is not None
    repeats = table is not None and _REPEATS * len(table.weights) <= rows.layout.n_rows
    question = best.update.labels(best.state, dtype)
    if table is not None and repeats and best.centroids.size >= _PRODUCTS:
        return LookedUp.from_table(table, question)
    return question


def labelled(state: FitState, statistic: Any, read: BlockNumbers) -> FitState:
    """The state after all labels were written.

    Parameters
    ----------
    state : FitState
    statistic : of all rows under `label_pass`
    read : numbers of the blocks that were not in memory, or None for all
    """
    state = replace(state.after_read("labelling", read), labelled=True)
    if state.best.evaluating:
        state = replace(state, trajectories=(state.best.tell(statistic),))
    return state


def restart_seeds(entropy: int, n_init: int) -> Sequence[int]:
    """Derive independent 64-bit seeds, one for each restart, from one number."""
    words = np.random.SeedSequence(entropy).generate_state(n_init, np.uint64)
    return [int(word) for word in words]


def describe(state: FitState) -> str:
    """Describe the last read in one line, with the best restart so far."""
    if state.read_blocks:
        return _within_a_read(state)
    read = "in memory" if state.in_memory else f"read {_number(state.n_passes)}"
    if not state.can_stop:
        return _seeding(state, read)
    if state.working:
        return f"{read}: {state.working}"
    moving = [t for t in state.trajectories if t.history]
    if not moving:
        notes = [t.state.note for t in state.trajectories if t.state is not None]
        return f"{read}: {notes[0] or 'initialization complete'}"
    if len(state.trajectories) > 1:
        running = sum(t.stop_reason is None for t in state.trajectories)
        read += f": {running} of {len(state.trajectories)} fits still move"
        if len({len(t.centroids) for t in moving if t.centroids is not None}) > 1:
            return read
        read += "; best"
    best = min(moving, key=lambda t: t.history[-1].inertia)
    last = best.history[-1]
    if best.state is not None and best.state.note:
        return f"{read}: {best.state.note}"
    if best.done and best.stop_reason != NOTHING_MOVED:
        return f"{read}: inertia {best.inertia:.6g} of the final centroids"
    line = f"{read}: iteration {len(best.history)}, inertia {last.inertia:.6g}"
    line += f", shift {last.shift:.3g}"
    if last.empty:
        line += f", {last.empty} empty, {last.relocated} relocated"
    return f"{line}, stop: {best.stop_reason}" if best.stop_reason else line


def _seeding(state: FitState, read: str) -> str:
    if state.working:
        return f"{read}: seeding, {state.working}"
    if state.table is None:
        return f"{read}: seeding"
    n_distinct = len(state.table.weights)
    return f"{read}: all {n_distinct:,} distinct rows, so the fit needs no further read"


def _within_a_read(state: FitState) -> str:
    if state.table is not None:  # whose blocks are not those of the plan
        return f"in memory: {len(state.table.weights):,} distinct rows"
    done, all_blocks = state.read_blocks, state.plan.n_blocks
    return f"read {_number(state.n_passes + 1)}: block {done:,} of {all_blocks:,}"


def _number(reads: float) -> str:
    """A number of reads as text, with two decimals if some reads were of some blocks only."""
    return str(reads) if isinstance(reads, int) else f"{reads:.2f}"
