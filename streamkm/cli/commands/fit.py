"""``streamkm fit``."""

from __future__ import annotations

import math
import shlex
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

from streamkm.cli.common import dimensions, peak_memory
from streamkm.cli.files import plot_file, report_file, save_plot
from streamkm.cli.forecast import forecast, show
from streamkm.cli.labels import labels_written, row_dimensions
from streamkm.cli.scheduler import scheduled
from streamkm.cli.seedings import seeding_method
from streamkm.cli.signals import fit_in, numbers_of, stopping
from streamkm.cli.ui.progress import ReadProgress
from streamkm.cli.ui.say import say
from streamkm.engine import caching
from streamkm.errors import CheckpointError, LabelsError, RunAgain
from streamkm.fitting import (
    FitState,
    Watch,
    checkpointing,
    describe,
    first_state,
    fit_budget,
    iterate,
    learn_scaling,
    restart_seeds,
    same_data,
    with_scaling,
)
from streamkm.in_memory.monitor import monitored
from streamkm.models.model import Model, load_model, save_model
from streamkm.outputs import (
    LABELS,
    MODEL,
    Kept,
    Store,
    alone,
    check_outputs,
    fit_of,
    local,
    plain,
    recover,
)
from streamkm.rows import Budget, Rows, open_rows
from streamkm.updates import AcceleratedUpdate, StopRules, history_array
from streamkm.versions import versions


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
    scale: str | None,
    seed: int,
    nodata: Any,
    variable: str | None,
    feature_dims: tuple[str, ...],
    memory_limit: int | None,
    checkpoint: str | None,
    checkpoint_every: float,
    checkpoint_reads: int | None,
    signals: str,
    again_code: int,
    scheduler: str | None,
    workers: int | None,
    dashboard: str | None,
    report: str | None,
    picture: str | None,
    dry_run: bool,
    as_json: bool,
    overwrite: bool,
) -> None:
    """Fit, write the model and the labels, print what came of it."""
    method = seeding_method(init)
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
        "scale": scale,
        "nodata": nodata,
        "data": data,
        "variable": variable,
        "feature_dim": list(dimensions(feature_dims) or ()),
    }
    fit = fit_in(checkpoint) if checkpoint else ""
    target, label_target = local(output), None if labels is None else local(labels)
    for each in (target, label_target):
        if each is not None:
            recover(each)
    fitted = bool(fit) and fit_of(target) == fit
    labelled = label_target is None or (bool(fit) and fit_of(label_target) == fit)
    if fitted and labelled:
        model = load_model(output)
        same_data(checkpoint, _rows(data, feature_dims, variable, nodata, Budget()))
        if plain(model.parameters) == plain(parameters):
            say(f"{checkpoint} is done; {output} is what came of it.", err=True)
            show(_result(model, None, output, labels, memory_limit), as_json)
            return
    if checkpoint:
        numbers_of(signals)  # refused before anything is written
    over_model, over_labels = overwrite or fitted, overwrite or labelled
    outputs = [
        Store(output, MODEL, over_model),
        None if labels is None else Store(labels, LABELS, over_labels),
        None if checkpoint is None else Kept(checkpoint),
        plot_file(picture, overwrite),
        report_file(report, overwrite or bool(fit)),
    ]
    check_outputs(outputs, [data])
    with ExitStack() as stack:
        stack.enter_context(scheduled(scheduler, workers, dashboard, report))
        budget = fit_budget(memory_limit, [init] * n_init, [n_clusters])
        rows = _rows(data, feature_dims, variable, nodata, budget)
        rules = StopRules(max_iter, tol, "auto" if loss_tol is None else loss_tol)
        begin = partial(
            first_state,
            n_clusters=n_clusters,
            init=init,
            seeds=restart_seeds(seed, n_init),
            update=AcceleratedUpdate(rules, settles=algorithm == "auto"),
            room=budget.room(rows.layout),
            halving=restarts == "halving",
        )
        begin(rows)  # refuses what cannot be
        if dry_run:
            # The last loss and the labels come from one read, unless restarts compete for it.
            last = 1 + int(bool(labels) and n_init > 1)
            seeding = method.reads(n_clusters) + (scale is not None)
            show(forecast(rows, budget, seeding, max_iter, last, bool(labels)), as_json)
            return
        stack.enter_context(alone(target))
        if label_target is not None:
            stack.enter_context(alone(label_target))
        bar = ReadProgress(rows.plan.n_blocks, rows.layout.nbytes, rows.layout.n_rows)
        stack.enter_context(bar)
        stack.enter_context(monitored(bar.searching))

        def begin_scaled() -> FitState:
            if scale is None:
                return begin(rows)
            bar.next_read("read 1: scale")
            state = begin(learn_scaling(rows, scale))
            bar.next_read("read 2")
            return state

        watch: list[Watch] = [bar.on_state]
        if checkpoint:
            asked = parameters | {"labels": str(label_target) if label_target else None}
            often = (checkpoint_every, checkpoint_reads)
            kept = stack.enter_context(checkpointing(checkpoint, rows, asked, *often))
            state, rows, new = kept.begin(begin_scaled, rules.after(init), budget)
            if not new:
                bar.say(f"going on from {checkpoint}, {describe(state)}")
            leave = stack.enter_context(stopping(kept, signals, time_limit, again_code))
            stack.enter_context(monitored(leave.searching))
            watch = [bar.on_state, leave.see, kept.see]
            fit, time_limit = kept.identity, None
        else:
            state = begin_scaled()
            rows = with_scaling(rows, state.scaling)
        rows = stack.enter_context(caching(rows))
        state = iterate(
            rows,
            state,
            time_limit=time_limit,
            watch=watch,
            keep_evaluation=label_target is not None,
        )
        failed: Exception | None = None
        publishing = stack.enter_context(ExitStack())
        if label_target is not None:
            bar.next_read("labels")
            try:
                dims = row_dimensions(data, variable, rows)
                label = labels_written(label_target, over_labels, rows, state, dims, watch, fit)
                state = publishing.enter_context(label)
            except (RunAgain, CheckpointError):
                raise
            except Exception as error:  # which must not cost the model
                failed = error
                bar.next_read("loss")
                state = _evaluated(rows, state, watch)
        model = _model(state, parameters, fit, list(rows.layout.names or ()))
        save_model(target, model, over_model)
        try:
            publishing.close()  # the labels take their name after the model
        except OSError as error:
            failed = error
    if picture:
        save_plot("loss", model, picture)
    written = labels if failed is None else None
    show(_result(model, state, output, written, memory_limit, rows.layout.n_rows), as_json)
    if failed is not None:
        again = _predict(output, data, str(labels), feature_dims, variable, memory_limit)
        raise LabelsError(output, failed, again) from failed


def _predict(
    model: str,
    data: str,
    labels: str,
    feature_dims: tuple[str, ...],
    variable: str | None,
    memory_limit: int | None,
) -> str:
    """The command that writes the labels of a stored model."""
    words = ["streamkm", "predict", model, data, "-o", labels]
    words += [word for name in feature_dims for word in ("--feature-dim", name)]
    words += [] if variable is None else ["--variable", variable]
    words += [] if memory_limit is None else ["--memory-limit", str(memory_limit)]
    words += ["--overwrite"] if local(labels).exists() else []
    return shlex.join(words)


def _evaluated(rows: Rows, state: FitState, watch: list[Watch]) -> FitState:
    """The loss of the final centroids, which labels would have given; unknown if data are lost."""
    try:
        return iterate(rows, replace(state, folded=None), watch=watch)
    except (RunAgain, CheckpointError):
        raise
    except Exception:  # the model is worth more than its loss
        return state


def _rows(
    data: str, feature_dims: tuple[str, ...], variable: str | None, nodata: Any, budget: Budget
) -> Rows:
    names = dimensions(feature_dims)
    return open_rows(data, feature_dim=names, variable=variable, nodata=nodata, budget=budget)


def _model(state: FitState, parameters: dict[str, Any], fit: str, names: list[str]) -> Model:
    best, scaling = state.best, state.scaling
    assert best.centroids is not None
    return Model(
        best.centroids if scaling is None else scaling.back(best.centroids),
        math.nan if best.inertia is None else best.inertia,
        history_array(best.history),
        best.stop_reason or "",
        state.n_passes,
        state.reads.bytes_read,
        parameters,
        versions(),
        fit,
        scaling,
        None if scaling is None else best.centroids,
        names,
        reads=state.reads.by_phase,
    )


def _result(
    model: Model,
    state: FitState | None,
    output: str,
    labels: str | None,
    memory_limit: int | None,
    n_rows: int = 0,
) -> dict[str, Any]:
    phases = state.reads.by_phase if state else {}
    # Rows have no weights here, so what was gathered is how many were there.
    gathered = state.best.statistic if state else None
    left_out = n_rows - round(gathered.weight) if gathered and n_rows else 0
    return {
        "inertia": model.inertia,
        "iterations": len(model.history),
        "stop_reason": model.stop_reason,
        "reads": model.n_passes,
        **{f"reads_{phase}": cost["reads"] for phase, cost in phases.items()},
        "bytes_read": model.bytes_read,
        **{f"bytes_{phase}": cost["bytes"] for phase, cost in phases.items()},
        "rows_left_out": left_out or None,
        "distinct_rows": len(state.table.weights) if state and state.table else None,
        "peak_memory_bytes": peak_memory(),
        "memory_limit_bytes": memory_limit,
        "model": output,
        "labels": labels,
    }
