"""``streamkm sweep``: translate the options, run, store the sweep, print its table."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import xarray as xr
import zarr

from streamkm.cli.files import check_before, may_replace, plot_file, report_file, save_plot
from streamkm.cli.scheduler import CLUSTER, scheduled
from streamkm.cli.signals import fit_in
from streamkm.cli.translate import (
    checkpoint_options,
    data_options,
    fit_parameters,
    opening,
    stored_paths,
)
from streamkm.cli.ui.facts import show
from streamkm.cli.ui.say import say, strict_json
from streamkm.cli.ui.sweep_table import show_sweep, sweep_facts
from streamkm.models.sweep import add_parameters
from streamkm.outputs import (
    SWEEP,
    CheckpointOutput,
    Store,
    alone,
    local,
    plain,
    whole,
)
from streamkm.outputs.sealing import checked, seal
from streamkm.rows import record_whole
from streamkm.runs.forecast import forecast_sweep
from streamkm.runs.sweep import prepare_sweep, sweep
from streamkm.runs.sweep_options import SweepOptions
from streamkm.showing.reads import ReadProgress


def run(
    data: str,
    output: str,
    validation: str | None,
    *,
    overwrite: bool,
    **given: Any,
) -> None:
    """Fit every k, write the sweep, print its table and the elbow."""
    options = SweepOptions.from_parameters(fit_parameters(given) | {"silhouette_rows": 2000})
    saving = checkpoint_options(given)
    target, checkpoint = local(output), given["checkpoint"]
    overwrite = may_replace(output, fit_in(checkpoint), overwrite)
    saved = None if checkpoint is None else CheckpointOutput(checkpoint)
    report = report_file(given["report"], overwrite)
    picture = plot_file(given["picture"], overwrite)
    outputs = [Store(output, SWEEP, overwrite), saved, picture, report]
    source = opening(data, given)
    inputs = [data, validation, source.sample_weight, source.mask]
    check_before(outputs, inputs, given["dry_run"])
    held_out = None if validation is None else data_options(validation, given)
    with ExitStack() as stack:
        stack.enter_context(scheduled(*(given[name] for name in CLUSTER)))
        prepared = prepare_sweep(source, options, held_out)
        if given["dry_run"]:
            show(forecast_sweep(prepared, given["timed"]), given["as_json"])
            return
        stack.enter_context(alone(target))
        bar = stack.enter_context(ReadProgress(prepared.rows))
        result = sweep(prepared, saving, bar.callbacks)
        parameters = {
            "nodata": source.nodata,
            "feature_dim": source.feature_dim,
            "variable": given["variable"],
        }
        paths = {"data": data, "validation": validation}
        parameters |= stored_paths(paths | {name: given[name] for name in ("weights", "mask")})
        add_parameters(result, parameters)
        result.attrs = plain(result.attrs)
        _write(result, target, overwrite)
    if given["picture"]:
        save_plot("elbow", result, given["picture"])
    if given["as_json"]:
        plot = {"plot": given["picture"]} if given["picture"] else {}
        say(strict_json(sweep_facts(result) | plot))
        return
    show_sweep(result)
    if given["picture"]:
        say(f"plot: {given['picture']}")


def _write(result: xr.Dataset, target: Path, overwrite: bool) -> None:
    with whole(target, SWEEP, overwrite) as partial_store:
        encoding = {name: {"compressors": (checked(),)} for name in result.variables}
        result.drop_encoding().to_zarr(
            partial_store,
            zarr_format=3,
            consolidated=False,
            write_empty_chunks=True,
            encoding=encoding,
        )
        group = zarr.open_group(partial_store, mode="r+")
        record_whole(group, group.array_keys())
        seal(partial_store, values=False)
