"""Further reads of the data of a stream: iterations of a fit from its centroids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from streamkm.arrays import Float64Array
from streamkm.errors import DataError
from streamkm.models.model import Model
from streamkm.rows import Named, Rows
from streamkm.runs.fit import PreparedFit, fit, model_from_fit, prepare
from streamkm.runs.fit_options import FitOptions
from streamkm.runs.options import DataOptions
from streamkm.runs.running import ProgressCallbacks
from streamkm.runs.stream import solution_of
from streamkm.streaming import Solution, Summary


def refuse_part(length: int, rows: Rows) -> None:
    """Refuse data that are not all `length` rows of a stream, whose fit would forget the others.

    Raises
    ------
    DataError
        With both numbers of rows.
    """
    if rows.layout.n_rows != length:
        raise DataError(
            f"refining reads all rows of the stream again, but these are {rows.layout.n_rows:,} of "
            f"{length:,}.",
            python="Set refine=0.",
            command="Give --refine 0.",
        )


def refuse_unequal(summary: Summary) -> None:
    """Refuse a stream in which rows do not count alike, as they do in a fit.

    Raises
    ------
    DataError
    """
    if summary.forgetting.is_active or summary.frozen.is_active:
        raise DataError(
            "refining gives all rows the same weight and moves all centroids, but the stream "
            "forgets rows, or has frozen centroids.",
            python="Set refine=0.",
            command="Give --refine 0.",
        )


def prepare_refining(
    data: DataOptions, centroids: Float64Array, names: Sequence[str] | None, refine: int
) -> PreparedFit:
    """Open all rows of a stream for iterations, each of which takes at most one read.

    Parameters
    ----------
    data : DataOptions
    centroids : ndarray of shape (k, d)
    names : names of their features, or None
    refine : int, maximum number of iterations; one more read computes the loss
    """
    init = (Named(centroids, None if names is None else tuple(names)),)
    options = FitOptions(len(centroids), init, max_iter=refine)
    return prepare(replace(data, names=names), options)


def refined(
    prepared: PreparedFit, before: Solution, progress: ProgressCallbacks | None = None
) -> Solution:
    """Return the solution of a stream after the iterations, with the drift of the one before."""
    model = model_from_fit(fit(prepared, progress=progress), {})
    assert model.counts is not None
    return Solution(model.centroids, model.counts, model.inertia, before.drift)


def refined_model(
    model: Model, prepared: PreparedFit, progress: ProgressCallbacks | None = None
) -> Model:
    """Return the model of a stream after the iterations.

    Raises
    ------
    DataError
        If the rows are not all rows of the stream.
    """
    refuse_part(model.summary["length"], prepared.rows)
    found = refined(prepared, solution_of(model), progress)
    return replace(
        model,
        parameters=model.parameters | {"refine": prepared.options.max_iter},
        centroids=found.centroids,
        counts=found.counts,
        inertia=found.inertia,
    )
