"""The clusters of a model as a table, for ``info``."""

from __future__ import annotations

from rich.table import Column, Table

from streamkm.models.model import Model
from streamkm.rows.units import with_units, without_midnight
from streamkm.showing.console import PlainConsole

_ROWS = 20  # clusters that are shown
_NUMBER = 9  # characters of a number
_FEATURES = 6  # features that are shown if the terminal is wide enough


def show_clusters(model: Model) -> None:
    """Print the size of each cluster and the first features of its centroid."""
    k, d = model.centroids.shape
    named = model.features or [f"x{j}" for j in range(d)]
    features = with_units(without_midnight(named), model.units)[:_FEATURES]
    counts = None if model.batches else model.counts  # batches count rows repeatedly
    weighted = model.parameters.get("weights") is not None
    sizes = [] if counts is None else ["sum of weights" if weighted else "count", "share"]
    console = PlainConsole()
    while len(features) > 1 and _width(model, sizes, features) > console.width:
        features.pop()
    columns = (Column(name, justify="right") for name in (*sizes, *features))
    table = Table(Column("cluster"), *columns, box=None)
    for number in range(min(k, _ROWS)):
        name = model.names[number] if model.names else None
        cells = [f"{value:.4g}" for value in model.centroids[number, : len(features)]]
        if counts is not None:
            count = float(counts[number])
            shown = f"{int(count):,}" if count.is_integer() else f"{count:,.6g}"
            cells = [shown, f"{count / counts.sum():.1%}", *cells]
        table.add_row(str(number) if name is None else f"{number} {name}", *cells)
    console.print(table)
    beyond = {"cluster": k - _ROWS, "feature": d - len(features)}
    more = [f"{n} more {what}{'s' * (n > 1)}" for what, n in beyond.items() if n > 0]
    if more:
        console.print(f"and {' and '.join(more)}")


def _width(model: Model, sizes: list[str], features: list[str]) -> int:
    """Return the width of the table in characters; headers break between words."""
    names = [*(str(name or "") for name in model.names or ())]
    first = max(len("cluster"), *(len(name) + 3 for name in names), 0)
    words = [max(len(word) for word in name.split()) for name in features if name.split()]
    return first + 12 * len(sizes) + sum(max(_NUMBER, word) + 2 for word in words) + 2
