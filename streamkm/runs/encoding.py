"""Codes of stored rows by a stored product quantizer."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from streamkm.engine import work_budget
from streamkm.errors import DataError
from streamkm.models.model import Model
from streamkm.models.quantizer import Codebooks, load_codebooks
from streamkm.models.storage import load_model
from streamkm.outputs import (
    LABELS,
    File,
    PlainLabels,
    Store,
    check_outputs,
    label_format,
    local,
)
from streamkm.passes import Codes
from streamkm.rows import UnitLength
from streamkm.runs.labels import LabelRun
from streamkm.runs.options import DataOptions
from streamkm.runs.predict import ShowWaves, write_labels
from streamkm.runs.quantizing import refuse_lacking

PathLike = str | os.PathLike[str]


def encode(
    quantizer: PathLike,
    data: DataOptions,
    output: PathLike,
    overwrite: bool = False,
    watching: ShowWaves | None = None,
    message: Callable[[str], None] | None = None,
) -> tuple[int, int]:
    """Write the codes of stored rows in one read. The same call resumes a stopped run.

    Parameters
    ----------
    quantizer : path or URL of a product quantizer
    data : DataOptions, of rows with its features
    output : path of a .npy file or of a Zarr store
    overwrite : whether codes there may be replaced
    watching, message : as for `predict`

    Returns
    -------
    Number of rows, and of numbers of a code.

    Raises
    ------
    DataError
        Before any read, if the data have other features or missing values.
    OutputExistsError
        Before any read, if the output may not be written.
    """
    file = label_format(output)
    if file is not None and file.suffix != ".npy":
        raise DataError(f"{output}: codes are written as a .npy file or a Zarr store.")
    target = (
        Store(output, LABELS, overwrite) if file is None else File(output, (".npy",), overwrite)
    )
    check_outputs([target], [quantizer, data.data])
    found = load_codebooks(quantizer)
    m, k, size = found.codewords.shape
    question = Codes(found.codewords, found.code_dtype, found.residuals)
    nbytes = m * question.dtype.itemsize
    budget = work_budget(data.memory_limit, k, answer_nbytes=nbytes)
    opened = replace(data, names=found.features or None)
    rows = opened.open(budget, UnitLength() if found.cosine else None)
    if rows.layout.n_features != m * size:
        raise DataError(
            f"the data have {rows.layout.n_features} features, but the quantizer has {m * size}."
        )
    refuse_lacking(rows)
    run = LabelRun(local(output), overwrite, PlainLabels(), question, rows, message, file)
    if watching is None:
        write_labels(run)
    else:
        with watching(rows) as watch:
            write_labels(run, watch)
    return rows.layout.n_rows, m


def coarse_codebooks(path: PathLike) -> Codebooks:
    """Return the centroids of a stored model as codebooks without codewords.

    Raises
    ------
    DataError
        If the model is a tree, or scales its rows.
    """
    model: Model = load_model(path)
    if model.tree is not None:
        raise DataError(f"{path} is a tree; the coarse model needs centroids of one level.")
    return Codebooks.of_coarse(model.scaled_centroids, model.scaling)
