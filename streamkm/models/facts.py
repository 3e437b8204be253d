"""Facts about a model as texts, for ``info`` and for its HTML in notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from streamkm.html_repr import html_repr, rows_table
from streamkm.reasons import MEANINGS
from streamkm.rows.units import with_units, without_midnight
from streamkm.sizes import show_bytes, show_seconds

if TYPE_CHECKING:
    from streamkm.models.model import Model

CLUSTERS = 20  # clusters that are shown
FEATURES = 8  # features that are shown in HTML


def facts_of(model: Model) -> dict[str, str]:
    """Return the shape, the loss, the iterations, the reads and the parameters of a model."""
    k, d = model.centroids.shape
    facts = {
        "centroids": f"{k} x {d}",
        "inertia": f"{model.inertia:.6g}",
        **_of_iterations(model),
    }
    if not model.summary:
        facts["reads"] = f"{model.n_passes} ({show_bytes(model.bytes_read)})"
    if "seconds" in model.cost:
        of_run = " in the last run" if model.fit else ""  # which may have resumed others
        facts["time"] = show_seconds(model.cost["seconds"]) + of_run
    if "peak_memory_bytes" in model.cost:
        facts["peak memory"] = show_bytes(model.cost["peak_memory_bytes"])
    facts["parameters"] = set_parameters(model.parameters)
    facts["versions"] = versions_text(model.versions)
    return facts


def versions_text(versions: Mapping[str, str]) -> str:
    """Return libraries and their versions as text."""
    return ", ".join(f"{name} {value}" for name, value in versions.items())


def set_parameters(parameters: Mapping[str, Any]) -> str:
    """Return the parameters that have a value, as text."""
    return ", ".join(f"{n}={v}" for n, v in parameters.items() if v not in (None, []))


def stream_rows(model: Model) -> dict[str, int] | None:
    """Return the number of rows that a stream has read, and of those of its summary, or None."""
    if not model.summary:
        return None
    return {"n_rows": int(model.summary["rows"]), "summary_rows": len(model.summary["weights"])}


def feature_titles(model: Model) -> list[str]:
    """Return the names of the features (d) with their units; x0, x1 and so on without names."""
    named = model.features or [f"x{j}" for j in range(model.centroids.shape[1])]
    return with_units(without_midnight(named), model.units)


def size_titles(model: Model) -> list[str]:
    """Return the titles of the sizes of clusters and of their shares; empty if unknown."""
    if model.batches or model.counts is None:  # mini-batches count rows repeatedly
        return []
    weighted = model.parameters.get("weights") is not None
    return ["sum of weights" if weighted else "count", "share"]


def cluster_cells(model: Model, number: int, n_features: int) -> list[str]:
    """Return the name, the size and share if known, and the first features of a cluster."""
    name = model.names[number] if model.names else None
    cells = [str(number) if name is None else f"{number} {name}"]
    if size_titles(model):
        assert model.counts is not None
        cells += size_cells(float(model.counts[number]), float(model.counts.sum()))
    return cells + [f"{value:.4g}" for value in model.centroids[number, :n_features]]


def size_cells(size: float, total: float) -> list[str]:
    """Return the size of a cluster, and its share of the total.

    Examples
    --------
    >>> size_cells(1500, 3000), size_cells(0.25, 1)
    (['1,500', '50.0%'], ['0.25', '25.0%'])
    """
    return [f"{size:,.6g}" if size % 1 else f"{int(size):,}", f"{size / (total or 1.0):.1%}"]


def not_shown(shape: tuple[int, ...], n_features: int) -> str:
    """Return a line on the clusters and features (k, d) that a table of clusters does not have."""
    k, d = shape
    beyond = {"cluster": k - CLUSTERS, "feature": d - n_features}
    more = [f"{n:,} more {what}{'s' * (n > 1)}" for what, n in beyond.items() if n > 0]
    return f"and {' and '.join(more)}" if more else ""


def model_html(model: Model) -> str:
    """Return the HTML of a model: its facts, and a table of its clusters."""
    facts = {name: text for name, text in facts_of(model).items() if text}
    n_shown, sizes = min(len(model.centroids), CLUSTERS), size_titles(model)
    titles = ["cluster", *sizes, *feature_titles(model)[:FEATURES]]
    rows = [cluster_cells(model, number, FEATURES) for number in range(n_shown)]
    shares = None
    if sizes and model.counts is not None and (total := float(model.counts.sum())) > 0:
        shares = [float(count) / total for count in model.counts[:n_shown]]
    more = not_shown(model.centroids.shape, FEATURES)
    table = rows_table(titles, rows, shares=shares, below=more)
    return html_repr("streamkm.Model", repr(model), facts, table)


def _of_iterations(model: Model) -> dict[str, str]:
    if model.tree is not None:
        return {"splits": str(len(model.tree[0]))}
    if model.hierarchy is not None:
        sizes = [len(model.centroids), *model.hierarchy.n_clusters]
        return {"levels": " to ".join(f"{size:,}" for size in sizes)}
    stream = stream_rows(model)
    if stream is not None:
        rows, kept = stream.values()
        return {"stream": f"{rows:,} rows so far, {kept:,} in the summary"}
    return {"iterations": str(len(model.history)), "stopped by": _ending(model.stop_reason)}


def _ending(reason: str) -> str:
    meaning = MEANINGS.get(reason)
    return reason if meaning is None else f"{reason} ({meaning})"
