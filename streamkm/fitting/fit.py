"""The driver: one read for all trajectories that still want one, state after state."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from streamkm.engine import folding, wave_size
from streamkm.fitting.scaling import with_scaling
from streamkm.fitting.state import FitState
from streamkm.passes import Census, Distinct, Extents, Product, Table
from streamkm.rows import Rows, rows_in_memory


def fit(
    rows: Rows, state: FitState, wave: int | None = None, keep_evaluation: bool = False
) -> Generator[FitState]:
    """Advance a fit, a wave of blocks and a state at a time, until it is done.

    Whoever consumes the states may save them, show them, or stop asking: calling `fit` again with
    any of them goes on as if nothing had happened. Between reads `FitState.folded` is None.

    Parameters
    ----------
    rows : Rows, in the plan of the state
    state : FitState
    wave : blocks of one graph; by default as many as keep the cores busy
    keep_evaluation : stop short of the last read when all it would give is the loss of a
        single trajectory's final centroids, which labelling gives as well

    Yields
    ------
    FitState
    """
    rows = with_scaling(rows, state.scaling)
    source = rows if state.table is None else _in_memory(state.table)
    while not state.done:
        if state.can_advance:
            state = state.advance()
            yield state
            continue
        asking = [t for t in state.trajectories if not t.done]
        alone = len(state.trajectories) == 1 and asking[0].evaluating
        if keep_evaluation and alone and state.table is None:
            return
        first = state.n_passes == state.reads.opening
        in_memory = state.table is not None or rows.cached
        passes = [t.ask() for t in asking]
        if first:
            opening = (Census(), Extents(), Distinct(state.room.table))
            passes = [*opening, *state.riders, *passes]
        question = Product(tuple(passes))
        for folded in folding(question, source, wave or wave_size(), state.folded):
            state = replace(state, folded=folded, in_memory=in_memory)
            if folded.n_blocks < source.plan.n_blocks:
                yield state
        assert state.folded is not None
        answers = list(state.folded.total().parts)
        state = replace(state, folded=None)
        if not first:
            state = state.told(answers, in_memory)
            yield state
            continue
        census, extent, table, *answers = answers
        census.check()
        shift = extent.shift
        if shift is not None and rows.layout.block_map is None:
            state = state.shifted(shift)  # and all is asked again, of shifted rows
            source = rows = with_scaling(rows, state.scaling)
            yield state
            continue
        state = replace(state, answers=tuple(answers[: len(state.riders)]))
        del answers[: len(state.riders)]
        if table.complete:  # begin again with it, so that nothing hangs on how the rows were stored
            free = tuple(t.with_table(len(table.weights)) for t in state.trajectories)
            reads = state.reads.one_more(state.phase)
            state = replace(state, reads=reads, table=table, trajectories=free, in_memory=True)
            source = _in_memory(table)
        else:
            state = state.told(answers)
        yield state


def _in_memory(table: Table) -> Rows:
    return rows_in_memory(table.values, table.weights)
