"""``streamkm info``."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Any

from streamkm.checkpoint.generations import KIND as CHECKPOINT
from streamkm.cli.ui.clusters import show_clusters
from streamkm.cli.ui.facts import show_table
from streamkm.cli.ui.sweep_table import show_sweep
from streamkm.decoding.notices import notice_lines
from streamkm.errors import NotAModelError
from streamkm.models.model import Model
from streamkm.models.quantizer import load_codebooks
from streamkm.models.storage import load_model
from streamkm.models.sweep import open_sweep
from streamkm.outputs import ARCHIVE, QUANTIZER, kind_of
from streamkm.reasons import MEANINGS
from streamkm.rows.paths import dimension_names, open_zarr
from streamkm.sizes import show_bytes


def run(path: str, variable: str | list[str] | None, all_of_it: bool) -> None:
    """Print the contents of the model, sweep, archive or Zarr array at the path."""
    kind = kind_of(path) if variable is None else ""
    if kind == ARCHIVE:
        import_module("streamkm.cli.commands.info_archive").show_archive(path, all_of_it)
        return
    if kind == CHECKPOINT:
        show_table(import_module("streamkm.cli.commands.info_checkpoint").facts_of(path))
        return
    if kind == QUANTIZER:
        show_table(_of_quantizer(path))
        return
    try:
        model = load_model(path)
    except NotAModelError:
        if variable is None:
            with suppress(NotAModelError):
                show_sweep(open_sweep(path))
                return
        if not isinstance(variable, list):
            show_table(_of_array(open_zarr(path, variable)))
            return
        for name in variable:
            show_table({"variable": name} | _of_array(open_zarr(path, name)))
    else:
        show_table(_of_model(model))
        show_clusters(model)


def _of_model(model: Model) -> dict[str, str]:
    k, d = model.centroids.shape
    facts = {
        "centroids": f"{k} x {d}",
        "inertia": f"{model.inertia:.6g}",
        **_of_iterations(model),
        "reads": f"{model.n_passes} ({show_bytes(model.bytes_read)})",
    }
    asked = {n: v for n, v in model.parameters.items() if v not in (None, [])}
    facts["parameters"] = ", ".join(f"{name}={value}" for name, value in asked.items())
    facts["versions"] = ", ".join(f"{name} {value}" for name, value in model.versions.items())
    return facts


def _of_quantizer(path: str) -> dict[str, str]:
    found = load_codebooks(path)
    m, k, size = found.codewords.shape
    return {
        "codebooks": f"{m} parts x {k} codewords x {size} features",
        "residuals of": "rows" if found.coarse is None else f"{len(found.coarse):,} centroids",
        "inertia": f"{found.inertia:.6g}",
        "parameters": ", ".join(f"{n}={v}" for n, v in found.parameters.items() if v is not None),
    }


def _of_iterations(model: Model) -> dict[str, str]:
    if model.tree is not None:
        return {"splits": str(len(model.tree[0]))}
    if model.hierarchy is not None:
        sizes = [len(model.centroids), *model.hierarchy.n_clusters]
        return {"levels": " to ".join(f"{size:,}" for size in sizes)}
    return {"iterations": str(len(model.history)), "stopped by": _ending(model.stop_reason)}


def _ending(reason: str) -> str:
    meaning = MEANINGS.get(reason)
    return reason if meaning is None else f"{reason} ({meaning})"


def _of_array(array: Any) -> dict[str, str]:
    facts = {
        "shape": str(array.shape),
        "dimensions": str(dimension_names(array) or "unnamed"),
        "dtype": str(array.dtype),
        "chunks": str(array.chunks),
        "bytes": show_bytes(array.nbytes),
    }
    if array.shards:
        facts["shards"] = str(array.shards)
    notices = notice_lines(array.attrs.get("notices", []))
    if notices:
        facts["not taken"] = "\n".join(notices)
    return facts
