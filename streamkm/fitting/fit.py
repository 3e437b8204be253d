"""The driver of fits: each read serves all trajectories that request one."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

from streamkm.engine import folding, wave_size
from streamkm.fitting.scaling import with_scaling
from streamkm.fitting.state import BlockNumbers, FitState
from streamkm.passes import Census, Distinct, Extents, Pass, Product
from streamkm.rows import Rows, rows_in_memory


def fit(
    rows: Rows, state: FitState, wave: int | None = None, skip_evaluation: bool = False
) -> Generator[FitState]:
    """Advance a fit until it is done; yield a state after every wave of blocks.

    The caller may save or show the states, or stop the iteration: `fit` resumes from any of them.
    Between reads, `FitState.folded` is None.

    Parameters
    ----------
    rows : Rows, in the plan of the state
    state : FitState
    wave : blocks of one graph; by default as many as keep the cores busy
    skip_evaluation : stop before the last read if it would only compute the loss of the final
        centroids of a single trajectory, which labelling computes as well

    Yields
    ------
    FitState
    """
    source = _source(rows, state)
    while not state.done:
        advanced = state.advance()
        if advanced is not None:
            state = advanced
            yield state
            continue
        if skip_evaluation and state.evaluating and state.table is None:
            return
        passes, blocks = state.ask()
        opening = _opening(state, blocks)
        read = () if state.table is not None else rows.uncached(blocks)
        n_blocks = source.plan.n_blocks if blocks is None else len(blocks)
        question = Product((*opening, *passes))
        for folded in folding(question, source, wave or wave_size(), state.folded, blocks):
            state = replace(state, folded=folded, in_memory=read == ())
            # A seeding may search in memory for a while after its read, which is saved before.
            if folded.n_blocks < n_blocks or not state.can_stop:
                yield state
        assert state.folded is not None
        statistics = state.folded.total().parts
        state = replace(state, folded=None)
        if opening:
            state = _opened(rows, state, statistics, blocks)
            source = _source(rows, state)
        else:
            state = state.tell(statistics, read)
        yield state


def _source(rows: Rows, state: FitState) -> Rows:
    """The source that answers the passes of a state."""
    if state.table is None:
        return with_scaling(rows, state.scaling)
    return rows_in_memory(state.table.values, state.table.weights)


def _opening(state: FitState, blocks: BlockNumbers) -> tuple[Pass[Any], ...]:
    """The extra passes of the first read; the table needs a read of all blocks."""
    if state.reads.total > state.reads.opening:
        return ()
    table = Distinct(state.room.table if blocks is None else 0)
    return (Census(), Extents(), table, *state.extra_passes)


def _opened(
    rows: Rows, state: FitState, statistics: Sequence[Any], blocks: BlockNumbers
) -> FitState:
    """The state after the first read; with shifted rows or a table, the first state again."""
    census, extent, table, *answers = statistics
    census.check() if blocks is None else census.check_values()
    extent.refuse_tiny()
    state = replace(state, n_rows=census.rows if blocks is None else None)
    if extent.shift is not None and rows.layout.block_map is None:
        return state.shifted(extent.shift, blocks)
    n_extra = len(state.extra_passes)
    state = replace(state, extra_statistics=tuple(answers[:n_extra]))
    whole = table.complete and blocks is None
    return state.on_table(table) if whole else state.tell(answers[n_extra:], blocks)
