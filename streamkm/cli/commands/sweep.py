"""``streamkm sweep``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import zarr

from streamkm.cli.common import dimensions
from streamkm.cli.files import plot_file, save_plot
from streamkm.cli.forecast import forecast, show
from streamkm.cli.seedings import seeding_method
from streamkm.cli.ui.progress import ReadProgress
from streamkm.cli.ui.say import say, strict_json
from streamkm.cli.ui.sweep_table import COLUMNS, show_sweep
from streamkm.fitting import first_sweep_state, fit_budget
from streamkm.in_memory.monitor import monitored
from streamkm.outputs import SWEEP, Store, alone, check_outputs, local, plain, whole
from streamkm.rows import open_rows, record_whole
from streamkm.rows.open import open_zarr
from streamkm.selection import sweep, sweep_inits


def run(
    data: str,
    output: str,
    n_clusters: list[int],
    validation: str | None,
    variable: str | None,
    feature_dims: tuple[str, ...],
    picture: str | None,
    dry_run: bool,
    as_json: bool,
    overwrite: bool,
    seed: int,
    loss_tol: float | None,
    **options: Any,
) -> None:
    """Fit every k, write the sweep, print its table and the elbow."""
    outputs = [Store(output, SWEEP, overwrite), plot_file(picture, overwrite)]
    check_outputs(outputs, [data, validation])
    target = local(output)
    names = dimensions(feature_dims)
    seeding_method(options["init"])  # refused before anything is read
    inits = sweep_inits(options["init"], options["n_init"])
    budget = fit_budget(options["memory_limit"], inits, n_clusters, keeps=False)
    nodata = options["nodata"]
    rows = open_rows(data, feature_dim=names, variable=variable, nodata=nodata, budget=budget)
    first_sweep_state(rows, n_clusters, inits, range(len(inits)))  # refuses what cannot be
    if dry_run:
        seeding = max(seeding_method(init).reads(k) for init in inits for k in n_clusters)
        facts = forecast(rows, budget, seeding, options["max_iter"], 1)
        fits = len(n_clusters) * len(inits)
        held = {"reads_validation": 1} if validation else {}
        show({"fits": fits, **facts, **held}, as_json)
        return
    with (
        alone(target),
        ReadProgress(rows.plan.n_blocks, rows.layout.nbytes, rows.layout.n_rows) as bar,
        monitored(bar.searching),
    ):
        found = sweep(
            open_zarr(data, variable),
            n_clusters,
            validation=None if validation is None else open_zarr(validation, variable),
            feature_dim=names,
            random_state=seed,
            loss_tol="auto" if loss_tol is None else loss_tol,
            watch=bar.on_state,
            **options,
        )
        found.attrs["parameters"] |= {"data": data, "validation": validation, "variable": variable}
        found.attrs = plain(found.attrs)
        with whole(target, SWEEP, overwrite) as partial:
            found.to_zarr(partial, zarr_format=3, consolidated=False, write_empty_chunks=True)
            group = zarr.open_group(partial, mode="r+")
            record_whole(group, group.array_keys())
    if picture:
        save_plot("elbow", found, picture)
    _show(found, as_json)


def _show(found: Any, as_json: bool) -> None:
    if as_json:
        say(strict_json(_facts(found)))
    else:
        show_sweep(found)


def _facts(found: Any) -> dict[str, Any]:
    columns = {name: _plain(found[name].values) for name in COLUMNS if name in found}
    attributes = {a: found.attrs[a] for a in ("elbow", "elbow_strength", "verdict", "reads")}
    ks, steps = found["n_clusters"].values, found["iterations"].values.max(axis=1)
    return {"n_clusters": ks.tolist(), **columns, "iterations": steps.tolist(), **attributes}


def _plain(values: np.ndarray[Any, Any]) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values.tolist()]
