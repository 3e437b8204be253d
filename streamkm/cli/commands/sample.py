"""``streamkm sample``."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np

from streamkm.cli.files import report_file
from streamkm.cli.scheduler import CLUSTER, scheduled
from streamkm.cli.translate import opening
from streamkm.cli.ui.say import say
from streamkm.errors import DataError
from streamkm.models.hierarchy import Hierarchy
from streamkm.models.sweep_model import model_at
from streamkm.outputs import File, alone, check_outputs, local, whole_file
from streamkm.passes import Assigner, Routes, Tree
from streamkm.runs.predict import open_for
from streamkm.runs.routing import routes_of
from streamkm.runs.sampling import sample_rows
from streamkm.showing.reads import ReadProgress


def run(
    model: str,
    data: str,
    output: str,
    *,
    n_clusters: int | None,
    n_rows: int,
    how: str,
    assign: str,
    **given: Any,
) -> None:
    """Write the row numbers."""
    source = opening(data, given)
    target, report = File(output, (".npy",), given["overwrite"]), given["report"]
    check_outputs([target, report_file(report, given["overwrite"])], [model, data, source.mask])
    known = model_at(model, n_clusters)
    hierarchy = known.hierarchy or Hierarchy()
    needed = ["--how flat"] * (how == "hierarchical") + ["--assign exact"] * (assign == "routed")
    if known.hierarchy is None and needed:
        raise DataError(f"{model} has no levels; use {' and '.join(needed)}.")
    assigner: Assigner | None = None if known.tree is None else Tree(*known.tree)
    if assign == "routed":
        routes: Routes = routes_of(hierarchy, known.scaled_centroids)
        assigner = routes
    seed = given["random_state"]
    with ExitStack() as stack:
        stack.enter_context(scheduled(*(given[name] for name in CLUSTER)))
        rows = open_for(known, source, len(known.centroids))
        stack.enter_context(alone(local(output)))
        stack.enter_context(ReadProgress(rows))
        found = sample_rows(rows, known.scaled_centroids, hierarchy, assigner, n_rows, how, seed)
        with whole_file(local(output)) as partial, partial.open("wb") as file:
            np.lib.format.write_array(file, found)
    say(f"{output}: {len(found):,} rows")
