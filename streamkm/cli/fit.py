"""``streamkm fit``."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from streamkm.cli.common import check_plot, dimensions, peak_memory, save_plot
from streamkm.cli.forecast import forecast, show
from streamkm.cli.labels import label_store, row_dimensions
from streamkm.cli.progress import ReadProgress
from streamkm.engine import keeping
from streamkm.fitting import (
    FitState,
    StopRules,
    begin_fit,
    fit_budget,
    history_array,
    label,
    seeds_of,
    solve,
)
from streamkm.passes import label_dtype
from streamkm.rows import open_rows
from streamkm.seeding import method_of
from streamkm.stores import Model, check_output, save_model, versions, whole


def run(
    data: str,
    output: str,
    labels: str | None,
    *,
    n_clusters: int,
    init: str,
    n_init: int,
    restarts: str,
    algorithm: str,
    max_iter: int,
    tol: float,
    loss_tol: float | None,
    time_limit: float | None,
    seed: int,
    variable: str | None,
    feature_dims: tuple[str, ...],
    memory_limit: int | None,
    picture: str | None,
    dry_run: bool,
    as_json: bool,
    overwrite: bool,
) -> None:
    """Fit, write the model and the labels, print what came of it."""
    check_plot(picture, overwrite)
    target = check_output(output, overwrite, [data, labels])
    label_target = check_output(labels, overwrite, [data]) if labels else None
    budget = fit_budget(memory_limit, [init] * n_init, [n_clusters])
    rows = open_rows(data, feature_dim=dimensions(feature_dims), variable=variable, budget=budget)
    rules = StopRules(max_iter, tol, "auto" if loss_tol is None else loss_tol)
    state = begin_fit(
        rows,
        n_clusters,
        init,
        seeds_of(seed, n_init),
        rules,
        room=budget.room(rows.layout),
        halving=restarts == "halving",
        algorithm=algorithm,
    )
    if dry_run:
        # The last loss and the labels come from one read, unless several restarts compete for it.
        last = 1 + int(bool(labels) and n_init > 1)
        seeding = method_of(init).reads(n_clusters)
        show(forecast(rows, budget, seeding, max_iter, last, bool(labels)), as_json)
        return
    parameters = {
        "n_clusters": n_clusters,
        "init": init,
        "n_init": n_init,
        "restarts": restarts,
        "algorithm": algorithm,
        "max_iter": max_iter,
        "tol": tol,
        "loss_tol": loss_tol,
        "time_limit": time_limit,
        "seed": seed,
        "data": data,
        "variable": variable,
        "feature_dim": list(dimensions(feature_dims) or ()),
    }
    dtype = label_dtype(n_clusters)
    with ExitStack() as outputs, keeping(rows) as rows:
        bar = outputs.enter_context(ReadProgress(rows.plan.n_blocks, rows.layout.nbytes))
        state = solve(
            rows,
            state,
            time_limit=time_limit,
            watch=bar.read_done,
            keep_evaluation=label_target is not None,
        )
        if label_target is not None:
            bar.next_read("labels")
            with whole(label_target, overwrite) as partial:
                names = row_dimensions(data, variable, rows)
                state = label(rows, state, label_store(partial, rows, dtype, names), dtype)
        model = _model(state, parameters)
        save_model(target, model, overwrite)
    if picture:
        save_plot("loss", model, picture)
    show(_result(model, state, output, labels, memory_limit), as_json)


def _model(state: FitState, parameters: dict[str, Any]) -> Model:
    best = state.best
    assert best.centroids is not None
    assert best.inertia is not None
    return Model(
        best.centroids,
        best.inertia,
        history_array(best.history),
        best.stop_reason or "",
        state.n_passes,
        state.reads.bytes_read,
        parameters,
        versions(),
    )


def _result(
    model: Model, state: FitState, output: str, labels: str | None, memory_limit: int | None
) -> dict[str, Any]:
    phases = state.reads.by_phase
    return {
        "inertia": model.inertia,
        "iterations": len(model.history),
        "stop_reason": model.stop_reason,
        "reads": model.n_passes,
        **{f"reads_{phase}": cost["reads"] for phase, cost in phases.items()},
        "bytes_read": model.bytes_read,
        **{f"bytes_{phase}": cost["bytes"] for phase, cost in phases.items()},
        "distinct_rows": len(state.table.weights) if state.table else None,
        "peak_memory_bytes": peak_memory(),
        "memory_limit_bytes": memory_limit,
        "model": output,
        "labels": labels,
    }
