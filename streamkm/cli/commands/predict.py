"""``streamkm predict``."""

from __future__ import annotations

from typing import Any

from streamkm.cli.common import dimensions
from streamkm.cli.labels import label_store, row_dimensions
from streamkm.cli.ui.progress import ReadProgress
from streamkm.cli.ui.say import say
from streamkm.engine import threads, write_rows
from streamkm.errors import DataError
from streamkm.models.model import load_model
from streamkm.models.sweep import model_of
from streamkm.outputs import LABELS, alone, check_store, whole
from streamkm.passes import Assigned, Labels, PerRow, Tree, TreeLabels, label_dtype
from streamkm.rows import Budget, may_lack, open_rows


def run(
    model: str,
    data: str,
    n_clusters: int | None,
    output: str,
    variable: str | None,
    feature_dims: tuple[str, ...],
    nodata: Any,
    memory_limit: int | None,
    overwrite: bool,
) -> None:
    """Write the label of every row; print the inertia."""
    target = check_store(output, LABELS, overwrite, [model, data])
    known = load_model(model) if n_clusters is None else model_of(model, n_clusters)
    k, d = known.centroids.shape
    budget = Budget(memory_limit, threads(), k)
    rows = open_rows(
        data,
        feature_dim=dimensions(feature_dims) or known.feature_dim,
        variable=variable,
        nodata=known.parameters.get("nodata", "auto") if nodata == "auto" else nodata,
        scaling=known.scaling,
        budget=budget,
        names=known.features or None,
    )
    if rows.layout.n_features != d:
        raise DataError(f"{data} has {rows.layout.n_features} features, but the model has {d}.")
    dtype = label_dtype(k, may_lack(rows))
    with (
        ReadProgress(rows.plan.n_blocks, rows.layout.nbytes, rows.layout.n_rows) as bar,
        alone(target),
        whole(target, LABELS, overwrite) as partial,
    ):
        bar.next_read("labels")
        out = label_store(partial, rows, dtype, row_dimensions(rows))
        question: PerRow[Any] = Labels(known.seen, dtype)
        if known.tree is not None:
            question = TreeLabels(Tree(*known.tree), dtype)
        told = write_rows(question, rows, out)
    loss = f", inertia {told.inertia(known.seen):.6g}" if isinstance(told, Assigned) else ""
    labelled = round(told.weight) if isinstance(told, Assigned) else told.rows
    left_out = rows.layout.n_rows - labelled
    besides = f", {left_out:,} left out" if left_out else ""
    say(f"{labelled:,} rows labelled{besides}{loss}")
