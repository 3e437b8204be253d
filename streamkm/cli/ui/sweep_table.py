"""A sweep as a table: for ``sweep`` and ``info``."""

from __future__ import annotations

import json
from typing import Any

from rich.table import Column, Table

from streamkm.showing.console import PlainConsole
from streamkm.sizes import show_bytes

COLUMNS = {
    "train_mean": "mean",
    "train_min": "least",
    "train_spread": "spread",
    "validation_mean": "valida-\ntion",
    "calinski_harabasz": "Calinski-\nHarabasz",
    "davies_bouldin": "Davies-\nBouldin",
    "silhouette": "silhouette",
}
_LEGEND = "higher is better: Calinski-Harabasz, silhouette; lower is better: Davies-Bouldin"


def show_sweep(found: Any) -> None:
    """Print a sweep as a table, and its verdict."""
    shown = {name: title for name, title in COLUMNS.items() if name in found}
    ks = found["n_clusters"].values.tolist()
    iterations = found["iterations"].values.max(axis=1).tolist()
    titles = ("k", *shown.values(), "steps")
    table = Table(*(Column(title, justify="right") for title in titles), box=None)
    for place, k in enumerate(ks):
        values = (f"{found[name].values[place]:.5g}" for name in shown)
        table.add_row(str(k), *values, str(iterations[place]))
    console = PlainConsole()
    console.print(table)
    console.print(_LEGEND, soft_wrap=True)
    for line in found.attrs["verdict"].split("; "):
        console.print(line, soft_wrap=True)
    fits, reads = found["iterations"].size, found.attrs["n_passes"]
    line = f"{fits} fits in {reads} read{'s' * (reads > 1)} of the data, "
    line += show_bytes(found.attrs["bytes_read"])
    held = " and 1 read of the validation data" if "validation_mean" in found else ""
    console.print(line + held)
    scale = json.loads(found.attrs["parameters"]).get("scale")
    if scale is not None:
        console.print(f"distortions and scores refer to scaled features (scale={scale})")


def sweep_facts(result: Any) -> dict[str, Any]:
    """Return the columns of a sweep, its elbow, reads and parameters, for JSON."""
    columns = {name: result[name].values.tolist() for name in COLUMNS if name in result}
    attributes = {
        "elbow": result.attrs["elbow"] or None,
        **{name: result.attrs[name] for name in ("elbow_strength", "verdict")},
        "reads": json.loads(result.attrs["reads"]),
        "parameters": json.loads(result.attrs["parameters"]),
    }
    ks, steps = result["n_clusters"].values, result["iterations"].values.max(axis=1)
    return {"n_clusters": ks.tolist(), **columns, "iterations": steps.tolist(), **attributes}
