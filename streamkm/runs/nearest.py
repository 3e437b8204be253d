"""The rows nearest to each centroid of a stored model."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from streamkm.engine import Folded, folding, same_processes, wave_size
from streamkm.models.model import Model
from streamkm.models.sweep_model import model_at
from streamkm.outputs import File, Store, check_outputs
from streamkm.outputs.nearest_rows import write_nearest
from streamkm.passes import Closest, Nearest, Ranked, Tree
from streamkm.passes.ranked import refuse_too_many
from streamkm.rows import Rows
from streamkm.runs.labels import WaveCallback
from streamkm.runs.options import DataOptions
from streamkm.runs.predict import open_for

ShowWaves = Callable[[Rows], AbstractContextManager[WaveCallback]]


def nearest(
    model: str | os.PathLike[str],
    data: DataOptions,
    n: int,
    output: Store | File,
    watching: ShowWaves | None = None,
    n_clusters: int | None = None,
) -> Nearest:
    """Write the rows of each cluster that are nearest to its centroid, in one read.

    Parameters
    ----------
    model : path or URL of a model, or of a sweep
    data : DataOptions
        Their features, and by default their nodata values, are those of the model.
    n : number of rows of each cluster
    output : as from `nearest_output`
    watching : as for `predict`
    n_clusters : which k of a sweep, or None for a model

    Returns
    -------
    Nearest
        Row numbers and distances, without values.

    Raises
    ------
    DataError
        Before any read, if the data have other features than the model.
    OutputExistsError
        Before any read, if the output may not be written.
    MemoryLimitError
        If the read does not fit the limit, or the result the memory of the machine.
    """
    check_outputs([output], [model, data.data, data.mask])
    known = model_at(model, n_clusters)
    refuse_too_many(len(known.centroids), n)
    rows = open_for(known, data, n * len(known.centroids))
    with nullcontext(_ignore) if watching is None else watching(rows) as watch:
        found = _read(known, rows, n, watch).nearest(len(known.centroids), n)
    write_nearest(output, found.numbers, found.distances)
    return found


def _read(model: Model, rows: Rows, n: int, watch: WaveCallback) -> Ranked:
    tree = None if model.tree is None else Tree(*model.tree)
    question = Closest(model.scaled_centroids, n, tree, keep_values=False)
    folded = Folded()
    with same_processes():
        for folded in folding(question, rows, wave_size()):
            watch(folded)
    ranked: Ranked = folded.total()
    return ranked


def _ignore(_: object) -> None:
    """Show nothing."""
