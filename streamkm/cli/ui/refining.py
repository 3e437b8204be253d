"""Further reads of the data of a stream in a command, with a bar."""

from __future__ import annotations

from streamkm.models.model import Model
from streamkm.runs.options import DataOptions
from streamkm.runs.refine import prepare_refining, refined_model
from streamkm.showing.reads import ReadProgress


def refined_with_bar(model: Model, data: DataOptions, refine: int) -> Model:
    """Return the model of a stream after further reads of all its rows."""
    prepared = prepare_refining(data, model.centroids, model.features or None, refine)
    with ReadProgress(prepared.rows) as bar:
        return refined_model(model, prepared, bar.callbacks)
