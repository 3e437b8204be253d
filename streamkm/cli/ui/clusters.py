"""The clusters of a model as a table, for ``info``."""

from __future__ import annotations

from rich.measure import Measurement
from rich.table import Column, Table

from streamkm.models.facts import (
    CLUSTERS,
    cluster_cells,
    feature_titles,
    not_shown,
    size_titles,
)
from streamkm.models.model import Model
from streamkm.showing.console import PlainConsole

_NARROW = 12  # characters of a name and its unit on one line
_FEATURES = 6  # features that are shown if the terminal is wide enough


def show_clusters(model: Model) -> None:
    """Print the size of each cluster and the first features of its centroid."""
    known = feature_titles(model)[:_FEATURES]
    features = [n if len(n) <= _NARROW else n.replace(" [", "\n[") for n in known]
    console = PlainConsole()
    table = _table(model, features)
    while len(features) > 1 and _width(table) > console.width:
        features.pop()
        table = _table(model, features)
    console.print(table)
    more = not_shown(model.centroids.shape, len(features))
    if more:
        console.print(more)


def _table(model: Model, features: list[str]) -> Table:
    sizes = [title.replace("sum of ", "sum of\n") for title in size_titles(model)]
    columns = (Column(name, justify="right") for name in (*sizes, *features))
    table = Table(Column("cluster"), *columns, box=None)
    for number in range(min(len(model.centroids), CLUSTERS)):
        table.add_row(*cluster_cells(model, number, len(features)))
    return table


def _width(table: Table) -> int:
    """Return the width of the table in characters if nothing is wrapped."""
    console = PlainConsole()
    return Measurement.get(console, console.options.update(width=10_000), table).maximum
