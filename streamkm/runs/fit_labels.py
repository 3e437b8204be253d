"""Labels of a fit; the same read computes the loss of the final centroids. Labels of a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from streamkm.engine import Folded
from streamkm.fitting import FitState, StateCallback, label_pass, labelled, with_scaling
from streamkm.outputs import label_format
from streamkm.outputs.data_arrays import flag_names
from streamkm.outputs.whole_labels import LabelOutline
from streamkm.passes import PerRow, Tree, TreeLabels, label_dtype
from streamkm.passes.base import S
from streamkm.rows import Rows, may_lack
from streamkm.runs.labels import LabelRun, WaveCallback, plain_labels


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
    run = _label_run(target, overwrite, rows, question, len(state.best.centroids), message)
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


@contextmanager
def tree_labels(
    target: Path,
    overwrite: bool,
    seconds: float | None,
    watch: WaveCallback,
    message: Callable[[str], None],
    rows: Rows,
    tree: Tree,
) -> Iterator[None]:
    """Write the labels of a tree; they are published under their name when the block ends.

    Parameters
    ----------
    target, overwrite, message : as for `LabelRun`
    seconds, watch : as for `LabelRun.write`
    rows : Rows, with the scaling of the tree
    tree : Tree
    """
    k = len(tree.pairs) + 1
    question = TreeLabels(tree, label_dtype(k, may_lack(rows)))
    with _label_run(target, overwrite, rows, question, k, message).write(watch, seconds):
        yield


def refuse_labels(target: Path, rows: Rows, k: int) -> None:
    """Raise an error if the file that the target names cannot hold the labels of k clusters.

    Raises
    ------
    DataError
        Before any read; the message gives the cause.
    """
    file, dtype = label_format(target), label_dtype(k, may_lack(rows))
    if file is not None:
        own = plain_labels(rows, dtype, flag_names(None, k))
        shape = rows.plan.row_shape
        file.refuse(LabelOutline(shape, dtype, own.dimensions, own.attributes, own.coordinates))


def _label_run(
    target: Path,
    overwrite: bool,
    rows: Rows,
    question: PerRow[S],
    k: int,
    message: Callable[[str], None] | None,
) -> LabelRun[S]:
    """The labels of k clusters, in the format that the suffix of the target names."""
    file = label_format(target)
    names = None if file is None else flag_names(None, k)
    store = plain_labels(rows, question.dtype, names)
    return LabelRun(target, overwrite, store, question, rows, message, file)
