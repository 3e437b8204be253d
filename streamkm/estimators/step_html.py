"""The HTML of a step of `streamkm.iterate` in notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from streamkm.html_repr import html_repr, rows_table
from streamkm.models.facts import CLUSTERS, FEATURES, not_shown

if TYPE_CHECKING:
    from streamkm.estimators.steps import LloydStep


def step_html(step: LloydStep, names: Sequence[str] | None) -> str:
    """Return the HTML of a step: its loss, and the size, move and features of each cluster."""
    facts = {
        "step": str(step.iteration),
        "inertia": f"{step.inertia:.6g}",
        "shift": f"{step.shift:.6g}",
        "stopped by": step.stop_reason or "not stopped",
    }
    d = step.centroids.shape[1]
    titles = [*(names or (f"x{j}" for j in range(d)))][:FEATURES]
    parts = zip(step.counts[:CLUSTERS], step.moves, step.centroids, strict=False)
    rows = (
        (str(number), f"{count:,.6g}", f"{move:.4g}", *(f"{v:.4g}" for v in centroid[:FEATURES]))
        for number, (count, move, centroid) in enumerate(parts)
    )
    table = rows_table(
        ("cluster", "count", "move", *titles),
        rows,
        shares=step.counts[:CLUSTERS].tolist(),
        below=not_shown(step.centroids.shape, FEATURES),
    )
    return html_repr("streamkm.LloydStep", repr(step), facts, table)
