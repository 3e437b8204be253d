"""The clusters of a model as a table, for ``info``."""

from __future__ import annotations

from rich.table import Column, Table

from streamkm.models.model import Model
from streamkm.rows.units import with_units
from streamkm.showing.console import PlainConsole

_ROWS = 20  # clusters that are shown
_FEATURES = 6  # features that are shown


def show_clusters(model: Model) -> None:
    """Print the size of each cluster and the first features of its centroid."""
    k, d = model.centroids.shape
    named = model.features or [f"x{j}" for j in range(d)]
    features = with_units(named, model.units)[:_FEATURES]
    counts = None if model.batches else model.counts  # batches count rows repeatedly
    sizes = [] if counts is None else ["count", "share"]
    columns = (Column(name, justify="right") for name in (*sizes, *features))
    table = Table(Column("cluster"), *columns, box=None)
    for number in range(min(k, _ROWS)):
        name = model.names[number] if model.names else None
        cells = [f"{value:.4g}" for value in model.centroids[number, :_FEATURES]]
        if counts is not None:
            count = float(counts[number])
            shown = f"{int(count):,}" if count.is_integer() else f"{count:,.6g}"
            cells = [shown, f"{count / counts.sum():.1%}", *cells]
        table.add_row(str(number) if name is None else f"{number} {name}", *cells)
    console = PlainConsole()
    console.print(table)
    beyond = {"cluster": k - _ROWS, "feature": d - _FEATURES}
    more = [f"{n} more {what}{'s' * (n > 1)}" for what, n in beyond.items() if n > 0]
    if more:
        console.print(f"and {' and '.join(more)}")
