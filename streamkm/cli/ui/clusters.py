"""The clusters of a model as a table, for ``info``."""

from __future__ import annotations

from rich.measure import Measurement
from rich.table import Column, Table

from streamkm.models.model import Model
from streamkm.rows.units import with_units, without_midnight
from streamkm.showing.console import PlainConsole

_ROWS = 20  # clusters that are shown
_NARROW = 12  # characters of a name and its unit on one line
_FEATURES = 6  # features that are shown if the terminal is wide enough


def show_clusters(model: Model) -> None:
    """Print the size of each cluster and the first features of its centroid."""
    d = model.centroids.shape[1]
    named = model.features or [f"x{j}" for j in range(d)]
    known = with_units(without_midnight(named), model.units)[:_FEATURES]
    features = [n if len(n) <= _NARROW else n.replace(" [", "\n[") for n in known]
    counts = None if model.batches else model.counts  # batches count rows repeatedly
    weighted = model.parameters.get("weights") is not None
    sizes = [] if counts is None else ["sum of\nweights" if weighted else "count", "share"]
    console = PlainConsole()
    table = _table(model, sizes, features)
    while len(features) > 1 and _width(table) > console.width:
        features.pop()
        table = _table(model, sizes, features)
    console.print(table)
    k, d = model.centroids.shape
    beyond = {"cluster": k - _ROWS, "feature": d - len(features)}
    more = [f"{n} more {what}{'s' * (n > 1)}" for what, n in beyond.items() if n > 0]
    if more:
        console.print(f"and {' and '.join(more)}")


def _table(model: Model, sizes: list[str], features: list[str]) -> Table:
    columns = (Column(name, justify="right") for name in (*sizes, *features))
    table = Table(Column("cluster"), *columns, box=None)
    counts = model.counts if sizes else None
    for number in range(min(len(model.centroids), _ROWS)):
        name = model.names[number] if model.names else None
        cells = [f"{value:.4g}" for value in model.centroids[number, : len(features)]]
        if counts is not None:
            count = float(counts[number])
            shown = f"{int(count):,}" if count.is_integer() else f"{count:,.6g}"
            cells = [shown, f"{count / counts.sum():.1%}", *cells]
        table.add_row(str(number) if name is None else f"{number} {name}", *cells)
    return table


def _width(table: Table) -> int:
    """Return the width of the table in characters if nothing is wrapped."""
    console = PlainConsole()
    return Measurement.get(console, console.options.update(width=10_000), table).maximum
