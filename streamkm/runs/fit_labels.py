"""Labels of a fit; the same read computes the loss of the final centroids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from streamkm.engine import Folded
from streamkm.fitting import FitState, StateCallback, label_pass, labelled, with_scaling
from streamkm.outputs import label_format
from streamkm.outputs.data_arrays import flag_names
from streamkm.passes import label_dtype
from streamkm.rows import Rows, may_lack
from streamkm.runs.labels import LabelRun, plain_labels


@contextmanager
def fit_labels(
    target: Path,
    overwrite: bool,
    seconds: float | None,
    rows: Rows,
    state: FitState,
    watch: Sequence[StateCallback],
    identity: str,
    message: Callable[[str], None] | None = None,
) -> Iterator[FitState]:
    """Write the labels of a fit; they are published under their name when the block ends.

    The model can be saved within the block, so that both appear directly after each other.

    Parameters
    ----------
    target, overwrite : as for `LabelRun`
    seconds : as for `LabelRun.write`
    rows : Rows
    state : FitState
        State of the fit, done except possibly for the loss of its final centroids.
    watch : sequence of callable
        Each is called with the state after every wave.
    identity : str
        Identity of a fit with a checkpoint, or empty.
    message : as for `LabelRun`

    Yields
    ------
    FitState
        The state after labelling. Labels of the same centroids and data are not written again.
    """
    assert state.best.centroids is not None
    read, rows = rows.uncached(None), with_scaling(rows, state.scaling)
    dtype = label_dtype(len(state.best.centroids), may_lack(rows))
    question = label_pass(rows, state, dtype)
    file = label_format(target)
    names = None if file is None else flag_names(None, len(state.best.centroids))
    store = plain_labels(rows, dtype, names)
    run = LabelRun(target, overwrite, store, question, rows, message, file)
    if state.labelled and run.is_published:
        yield state
        return

    def on_wave(folded: Folded) -> None:
        for function in watch:
            function(replace(state, label_blocks=folded.n_blocks, in_memory=read == ()))

    with run.write(on_wave, seconds, identity) as statistic:
        if not state.labelled:
            state = labelled(state, statistic, read)
            for function in watch:
                function(state)
        yield state
