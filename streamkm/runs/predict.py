"""Labelling: of stored data by a stored model, or of rows by any label pass."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.engine import work_budget, write_rows
from streamkm.errors import DataError
from streamkm.models.model import Model
from streamkm.models.sweep_model import model_at
from streamkm.outputs import LabelFile, Store, alone, check_outputs, label_format, local
from streamkm.outputs.data_arrays import flag_names
from streamkm.passes import (
    Assigned,
    CountedLabels,
    Labels,
    LabelsObserved,
    PerRow,
    Reached,
    RoutedLabels,
    Tree,
    TreeLabels,
    label_dtype,
)
from streamkm.passes.base import Products, S
from streamkm.rows import Rows, may_have_gaps, may_lack
from streamkm.rows.sources import has_arrays
from streamkm.runs.labels import LabelRun, WaveCallback, plain_labels
from streamkm.runs.options import DataOptions
from streamkm.runs.routing import routes_of

PathLike = str | os.PathLike[str]
ShowWaves = Callable[[Rows], AbstractContextManager[WaveCallback]]


@dataclass(frozen=True)
class PredictResult:
    """The result of labelling.

    Parameters
    ----------
    n_rows : rows with a label
    n_left_out : rows without a label
    inertia : sum of squared distances to the nearest centroid, or None for labels of a tree
    counts : ndarray of shape (k,), weights of the rows of each cluster, or None without weights or
        for labels of a tree or of routes
    """

    n_rows: int
    n_left_out: int
    inertia: float | None
    counts: Float64Array | None = None


def predict(
    model: PathLike,
    data: DataOptions,
    output: Store | LabelFile,
    n_clusters: int | None = None,
    watching: ShowWaves | None = None,
    message: Callable[[str], None] | None = None,
    routed: bool = False,
) -> PredictResult:
    """Label stored data by a stored model. The same call resumes a stopped run.

    Parameters
    ----------
    model : path or URL of a model, or of a sweep
    data : DataOptions
        Their features, and by default their nodata values, are those of the model. Weights apply
        to the inertia and the counts.
    output : as from `label_output`
    n_clusters : which k of a sweep, or None for a model
    watching : callable or None
        Called with the rows; returns a context manager of the `watch` of `LabelRun.write`.
    message : callable or None
        As for `LabelRun`.
    routed : whether rows follow the levels of a hierarchy

    Returns
    -------
    PredictResult

    Raises
    ------
    DataError
        Before any read, if the data have other features than the model, or it has no levels.
    OutputExistsError
        Before any read, if the output may not be written.
    MemoryLimitError
        If a block does not fit the limit.
    """
    check_outputs([output], [model, data.data, data.sample_weight, data.mask])
    known = model_at(model, n_clusters)
    rows = open_for(known, data, gaps=True)
    dtype = label_dtype(len(known.centroids), may_lack(rows))
    question = _question(known, dtype, routed, may_have_gaps(rows))
    question = question if rows.weights is None else CountedLabels(question)
    file = label_format(output.path)
    names = None if file is None else flag_names(known.names, len(known.centroids))
    store, target = plain_labels(rows, dtype, names), local(output.path)
    run = LabelRun(target, output.overwrite, store, question, rows, message, file)
    if watching is None:
        statistic = write_labels(run)
    else:
        with watching(rows) as watch:
            statistic = write_labels(run, watch)
    return _result(known, rows, statistic)


def _result(model: Model, rows: Rows, statistic: Any) -> PredictResult:
    """The result of a read with its statistic."""
    n_rows = None
    if isinstance(statistic, Products):
        counted, statistic = statistic.parts
        n_rows = counted.rows
    if isinstance(statistic, Assigned):
        inertia: float | None = statistic.inertia(model.scaled_centroids)
        counts = None if n_rows is None else statistic.counts.astype(np.float64)
        n_rows = round(statistic.weight) if n_rows is None else n_rows
    else:
        inertia = statistic.loss if isinstance(statistic, Reached) else None
        n_rows, counts = statistic.rows, None
    return PredictResult(n_rows, rows.layout.n_rows - n_rows, inertia, counts)


def _question(model: Model, dtype: np.dtype[Any], routed: bool, gaps: bool) -> PerRow[Any]:
    """The pass that labels rows by a model."""
    if gaps and (model.tree is not None or routed):
        raise DataError(
            "rows with gaps have no path through the levels of a model;",
            python="leave them out by missing=None.",
            command="leave them out by --missing omit.",
        )
    if routed and model.hierarchy is None:
        raise DataError(
            "the model has no levels that rows could follow;",
            python="label rows by the nearest centroid.",
            command="leave out --how routed.",
        )
    if routed and model.hierarchy is not None:
        return RoutedLabels(routes_of(model.hierarchy, model.scaled_centroids), dtype)
    if model.tree is not None:
        return TreeLabels(Tree(*model.tree), dtype)
    kind = LabelsObserved if gaps else Labels
    return kind(model.scaled_centroids, dtype)


def write_labels(run: LabelRun[S], watch: WaveCallback | None = None) -> S:
    """Write labels under a lock, and publish the store or file.

    Parameters
    ----------
    run : LabelRun
    watch : as for `LabelRun.write`

    Returns
    -------
    Statistic of the rows.
    """
    with alone(run.target), run.write(watch) as statistic:
        return statistic


def write_into(out: Any, question: PerRow[S], rows: Rows, n_clusters: int) -> S:
    """Write the labels of all rows into an existing Zarr array. A stopped run is not resumed.

    Parameters
    ----------
    out : zarr.Array of the row shape, whose chunks or shards lie within the blocks of the rows
    question : PerRow, the pass that labels rows
    rows : Rows
    n_clusters : k

    Returns
    -------
    Statistic of the rows.

    Raises
    ------
    DataError
        Before any read, if the array has another shape, too narrow a dtype, or unsuitable chunks.
    """
    if tuple(out.shape) != rows.plan.row_shape:
        raise DataError(f"out has shape {out.shape}; the rows have {rows.plan.row_shape}.")
    most = n_clusters - 1 + may_lack(rows)
    if out.dtype.kind not in "iu" or np.iinfo(out.dtype).max < most:
        raise DataError(f"out has dtype {out.dtype}, which cannot hold labels up to {most}.")
    return write_rows(question, rows, out)


def _variable(model: Model, data: Any) -> str | list[str] | None:
    """The variables of the fit if the data are a path of a group with them; otherwise None."""
    known: str | list[str] | None = model.parameters.get("variable")
    if known is None or not isinstance(data, (str, os.PathLike)):
        return None
    return known if has_arrays(data, [known] if isinstance(known, str) else known) else None


def open_for(model: Model, data: DataOptions, ranked: int = 0, gaps: bool = False) -> Rows:
    """Open the data with the features, scaling and, by default, nodata values of a model.

    The variables of a group are by default those of the fit.

    Parameters
    ----------
    model : Model
    data : DataOptions
    ranked : as of `Budget`
    gaps : whether the caller can use rows with gaps; otherwise, for a model of such rows, only the
        complete ones are not left out

    Raises
    ------
    DataError
        If the data have other features than the model.
    MemoryLimitError
        If a block does not fit the limit.
    """
    k, d = model.centroids.shape
    auto = isinstance(data.nodata, str) and data.nodata == "auto"
    missing = model.parameters.get("missing") if data.missing is None else data.missing
    if missing == "impute" and not gaps:
        missing = "complete"
    rows = replace(
        data,
        variable=data.variable or _variable(model, data.data),
        feature_dim=data.feature_dim or model.feature_dim,
        nodata=model.parameters.get("nodata", "auto") if auto else data.nodata,
        missing=missing,
        names=model.features or None,
    ).open(work_budget(data.memory_limit, k, ranked=ranked), model.scaling)
    if rows.layout.n_features != d:
        found = rows.layout.n_features
        raise DataError(f"the data have {found} features, but the model has {d}.")
    return rows
