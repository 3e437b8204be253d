"""``streamkm fit``: translate the options, run, store the model, print the result."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from streamkm.cli.commands import fit_bisecting
from streamkm.cli.commands.fit_outputs import (
    Outputs,
    by_phase,
    predict_command,
    stored_parameters,
)
from streamkm.cli.common import cost_since, peak_memory
from streamkm.cli.files import check_before, plot_file, report_file, save_plot
from streamkm.cli.scheduler import CLUSTER, scheduled
from streamkm.cli.translate import (
    checkpoint_options,
    fit_parameters,
    opening,
)
from streamkm.cli.ui.facts import show
from streamkm.cli.ui.say import say_aside
from streamkm.errors import LabelsError
from streamkm.fitting import FitState
from streamkm.models.model import Model
from streamkm.models.storage import save_model
from streamkm.outputs import (
    alone,
    local,
)
from streamkm.runs.fit import FitResult, fit, model_from_fit, prepare
from streamkm.runs.fit_options import FitOptions
from streamkm.runs.forecast import forecast_fit
from streamkm.showing.reads import ReadProgress
from streamkm.updates import BoundedState


def run(
    data: str,
    output: str,
    labels: str | None,
    *,
    overwrite: bool,
    **given: Any,
) -> None:
    """Fit, write the model and the labels, and print the result."""
    if given["algorithm"] == "bisecting":
        fit_bisecting.run(data, output, labels, overwrite=overwrite, **given)
        return
    began = time.monotonic()
    options = FitOptions.from_parameters(fit_parameters(given))
    saving = checkpoint_options(given)
    source = opening(data, given)
    parameters = stored_parameters(data, given, options)
    outputs = Outputs.from_paths(output, labels, given["checkpoint"], overwrite)
    model = outputs.finished_model(source, parameters)
    limit = source.memory_limit
    if model is not None:
        say_aside(f"the run of {outputs.checkpoint} is complete; its result is {output}.")
        show(_result(model, None, outputs, limit), given["as_json"])
        return
    pictures = plot_file(given["picture"], overwrite)
    report = report_file(given["report"], overwrite or bool(outputs.identity))
    inputs = [data, source.sample_weight, source.mask]
    check_before([*outputs.stores, pictures, report], inputs, given["dry_run"])
    with ExitStack() as stack:
        stack.enter_context(scheduled(*(given[name] for name in CLUSTER)))
        prepared = prepare(source, options)
        outputs.refuse_labels(prepared.rows, options.n_clusters)
        if given["dry_run"]:
            show(forecast_fit(prepared, labels is not None, given["timed"]), given["as_json"])
            return
        for path in (output, *([labels] if labels else [])):
            stack.enter_context(alone(local(path)))
        bar = stack.enter_context(ReadProgress(prepared.rows))
        result = fit(
            prepared,
            checkpoint=saving,
            labels=outputs.label_writer(given["checkpoint_every"]),
            progress=bar.callbacks,
            save=lambda result: save_model(
                local(output),
                replace(model_from_fit(result, parameters), cost=cost_since(began)),
                outputs.over_model,
            ),
        )
    model = model_from_fit(result, parameters)
    if given["picture"]:
        save_plot("loss", model, given["picture"])
    facts = _result(model, result, outputs, limit) | {"plot": given["picture"]}
    show(facts, given["as_json"])
    if result.failure is not None:
        again = predict_command(output, data, str(labels), given)
        raise LabelsError(output, result.failure, again) from result.failure


def _result(
    model: Model, result: FitResult | None, outputs: Outputs, memory_limit: int | None
) -> dict[str, Any]:
    """The facts to print; for a fit that was already done, those that its model stores."""
    failed = result is not None and result.failure is not None
    return {
        "inertia": model.inertia,
        **_sizes(result),
        "iterations": len(model.history),
        "stop_reason": model.stop_reason,
        "reads": model.n_passes,
        **(by_phase(result.state.reads, "reads") if result else {}),
        "bytes_read": model.bytes_read,
        **(by_phase(result.state.reads, "bytes") if result else {}),
        "rows_left_out": _n_left_out(result) or None,
        "distinct_rows": _n_distinct(result.state) if result else None,
        "peak_memory_bytes": peak_memory(),
        "memory_limit_bytes": memory_limit,
        "model": outputs.model,
        "labels": None if failed else outputs.labels,
    }


def _sizes(result: FitResult | None) -> dict[str, float | None]:
    """With bounded sizes, the loss without bounds, and the smallest and the largest cluster."""
    state = result.state.best.state if result else None
    if not isinstance(state, BoundedState) or state.statistic is None:
        return {}
    counts = state.statistic.counts
    return {
        "unbounded_inertia": state.unbounded_inertia,
        "smallest_cluster": int(counts.min()),
        "largest_cluster": int(counts.max()),
    }


def _n_left_out(result: FitResult | None) -> int:
    """Number of rows without a label."""
    if result is None or result.state.n_rows is None:
        return 0
    return result.rows.layout.n_rows - result.state.n_rows


def _n_distinct(state: FitState) -> int | None:
    return len(state.table.weights) if state.table else None
