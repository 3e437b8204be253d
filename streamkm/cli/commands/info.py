"""``streamkm info``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any

from streamkm.checkpoint.generations import KIND as CHECKPOINT
from streamkm.cli.commands import info_outputs
from streamkm.cli.ui.clusters import show_clusters
from streamkm.cli.ui.facts import show_table
from streamkm.cli.ui.say import say, strict_json
from streamkm.cli.ui.sweep_table import show_sweep, sweep_facts
from streamkm.errors import NotAModelError
from streamkm.models.facts import facts_of, stream_rows
from streamkm.models.model import Model
from streamkm.models.storage import load_model
from streamkm.models.sweep import open_sweep
from streamkm.outputs import ARCHIVE, PARTITION, QUANTIZER, kind_of, plain
from streamkm.outputs.marks import NEAREST
from streamkm.reporting.sweeps import facts_of as texts_of_sweep
from streamkm.rows.sources import open_source


def run(path: str, variable: str | list[str] | None, all_of_it: bool, as_json: bool) -> None:
    """Print the contents of the model, sweep, partition, archive or Zarr array at the path."""
    kind = kind_of(path) if variable is None else ""
    show = partial(_show, as_json)
    if kind == ARCHIVE:
        archives = import_module("streamkm.cli.commands.info_archive")
        archives.show_archive(path, all_of_it, as_json)
    elif kind == CHECKPOINT:
        progress = import_module("streamkm.reporting.progress")  # imports the fit states
        show(progress.facts_of(progress.load_state(path)))
    elif kind == QUANTIZER:
        show(*info_outputs.of_quantizer(path))
    elif kind == PARTITION:
        show(*info_outputs.of_partition(path))
    elif kind == NEAREST:
        show(*info_outputs.of_nearest(path))
    elif variable is not None or not _show_result(path, as_json):
        for name in variable if isinstance(variable, list) else [variable]:
            named = {"variable": str(name)} if isinstance(variable, list) else {}
            texts, values = info_outputs.of_array(open_source(path, name))
            show(named | texts, named | values)


def _show_result(path: str, as_json: bool) -> bool:
    """Print the model, or the sweep, at a path; return whether there is one."""
    with suppress(NotAModelError):
        model = load_model(path)
        _show(as_json, facts_of(model), _values_of(model))
        if not as_json:
            show_clusters(model)
        return True
    with suppress(NotAModelError):
        found = open_sweep(path)
        _show(as_json, texts_of_sweep(found), sweep_facts(found))
        if not as_json:
            show_sweep(found)
        return True
    return False


def _show(as_json: bool, facts: Mapping[str, str], values: Mapping[str, Any] | None = None) -> None:
    """Print texts as a table, or values, by default these texts, as JSON."""
    if as_json:
        say(strict_json(values or facts))
    else:
        show_table(facts)


def _values_of(model: Model) -> dict[str, Any]:
    """The contents of a model as numbers and texts."""
    k, d = model.centroids.shape
    return {
        "n_clusters": k,
        "n_features": d,
        "inertia": model.inertia,
        "iterations": None if model.tree is not None else len(model.history),
        "splits": None if model.tree is None else len(model.tree[0]),
        "stop_reason": model.stop_reason,
        "reads": model.n_passes,
        "bytes_read": model.bytes_read,
        "features": model.features,
        "units": model.units,
        "names": model.names,
        "levels": None if model.hierarchy is None else [k, *model.hierarchy.n_clusters],
        "stream": stream_rows(model),
        "counts": None if model.counts is None else model.counts.tolist(),
        "centroids": model.centroids.tolist(),
        "cost": model.cost,
        "parameters": plain(model.parameters),
        "versions": model.versions,
    }
