"""``streamkm predict``."""

from __future__ import annotations

import click

from streamkm.cli.common import dimensions
from streamkm.cli.labels import label_store, row_dimensions
from streamkm.cli.progress import ReadProgress
from streamkm.engine import threads, write_rows
from streamkm.errors import DataError
from streamkm.passes import Labels, label_dtype
from streamkm.rows import Budget, open_rows
from streamkm.stored_sweep import centroids_of
from streamkm.stores import check_output, load_model, whole


def run(
    model: str,
    data: str,
    n_clusters: int | None,
    output: str,
    variable: str | None,
    feature_dims: tuple[str, ...],
    memory_limit: int | None,
    overwrite: bool,
) -> None:
    """Write the label of every row; print the inertia."""
    target = check_output(output, overwrite, [model, data])
    if n_clusters is None:
        centroids = load_model(model).centroids
    else:
        centroids = centroids_of(model, n_clusters)
    k, d = centroids.shape
    budget = Budget(memory_limit, threads(), k)
    rows = open_rows(data, feature_dim=dimensions(feature_dims), variable=variable, budget=budget)
    if rows.layout.n_features != d:
        raise DataError(f"{data} has {rows.layout.n_features} features, but the model has {d}.")
    dtype = label_dtype(k)
    with (
        ReadProgress(rows.plan.n_blocks, rows.layout.nbytes, rows.layout.n_rows) as bar,
        whole(target, overwrite) as partial,
    ):
        bar.next_read("labels")
        out = label_store(partial, rows, dtype, row_dimensions(data, variable, rows))
        assigned = write_rows(Labels(centroids, dtype), rows, out)
    click.echo(f"{rows.layout.n_rows:,} rows labelled, inertia {assigned.inertia(centroids):.6g}")
