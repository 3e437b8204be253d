"""Label stores, as ``fit --labels`` and ``predict`` write them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from streamkm.fitting import FitState, Watch, labelling
from streamkm.outputs import LABELS, create_labels, marks_of, whole
from streamkm.passes import label_dtype, no_label
from streamkm.rows import Rows, may_lack
from streamkm.rows.open import dimension_names

Names = tuple[str | None, ...] | None


def row_dimensions(rows: Rows) -> Names:
    """Names of the row dimensions of a stored array."""
    names = dimension_names(rows.array)
    return tuple(names[a] for a in rows.layout.row_axes) if names else None


def label_store(
    path: Path, rows: Rows, dtype: np.dtype[Any], names: Names, fit: str = "", of: str = ""
) -> Any:
    """An empty label array for the rows, marked with its fit and with what it holds labels of."""
    marks: dict[str, Any] = {"kind": LABELS, "fit": fit, "of": of}
    if may_lack(rows):
        marks["_FillValue"] = no_label(dtype)
    return create_labels(path, rows.plan, dtype, names, marks, no_label(dtype))


@contextmanager
def labels_written(
    target: Path,
    overwrite: bool,
    rows: Rows,
    state: FitState,
    watch: Sequence[Watch],
    fit: str,
) -> Iterator[FitState]:
    """Label every row, from where the state is in that read; give the state after it.

    The labels take their name when the block ends, so that the model can be saved in it: both then
    appear one after the other.

    Parameters
    ----------
    target : folder of the labels
    overwrite : whether those that are there may be replaced
    rows, state : of the fit
    watch : each is called with every state
    fit : identity of a fit with a checkpoint, whose labels may be there, in part or whole
    """
    centroids = state.best.centroids
    assert centroids is not None
    dtype = label_dtype(len(centroids), may_lack(rows))
    # A fit that goes on with more iterations has other centroids, and then other labels.
    of = hashlib.sha256(fit.encode() + centroids.tobytes()).hexdigest() if fit else ""
    if of and state.labelled and marks_of(target).get("of") == of:
        yield state
        return
    with whole(target, LABELS, overwrite, of) as partial:
        begun = bool(of) and marks_of(partial).get("of") == of
        if begun and state.labelled:  # only the name was missing
            yield state
            return
        if begun:
            out: Any = zarr.open_array(partial, mode="r+")
        else:
            shutil.rmtree(partial, ignore_errors=True)  # older labels, of a run killed at its end
            out = label_store(partial, rows, dtype, row_dimensions(rows), fit, of)
            state = replace(state, folded=None)
        for told in labelling(rows, state, out, dtype):
            state = told
            for see in watch:
                see(state)
        yield state
