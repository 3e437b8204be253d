"""``streamkm export``."""

from __future__ import annotations

from streamkm.cli.ui.say import say
from streamkm.models.formats.registry import export_model
from streamkm.models.sweep_model import model_at
from streamkm.sizes import show_bytes


def run(model: str, *, n_clusters: int | None, output: str, overwrite: bool) -> None:
    """Write the centroids to a file; print their number and the size of the file."""
    known = model_at(model, n_clusters)
    target = export_model(known, output, overwrite, [model])
    k, d = known.centroids.shape
    say(f"{k:,} centroids of {d:,} features in {output}, {show_bytes(target.stat().st_size)}")
