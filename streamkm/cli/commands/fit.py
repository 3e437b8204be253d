"""``streamkm fit``: translate the options, run, store the model, print the result."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import Any

from streamkm.cli.common import dimensions, peak_memory
from streamkm.cli.files import may_replace, plot_file, report_file, save_plot
from streamkm.cli.scheduler import CLUSTER, scheduled
from streamkm.cli.signals import fit_in
from streamkm.cli.translate import (
    arrays_beside,
    checkpoint_options,
    data_options,
    fit_parameters,
)
from streamkm.cli.ui.facts import show
from streamkm.cli.ui.progress import ReadProgress
from streamkm.cli.ui.say import say_aside
from streamkm.errors import LabelsError
from streamkm.fitting import FitState, Reads, same_data
from streamkm.models.model import Model
from streamkm.models.storage import load_model, save_model
from streamkm.outputs import (
    MODEL,
    CheckpointOutput,
    LabelFile,
    Store,
    alone,
    check_outputs,
    fit_of,
    label_output,
    local,
    plain,
)
from streamkm.rows import Budget
from streamkm.runs.fit import FitResult, LabelWriter, fit, model_from_fit, prepare
from streamkm.runs.fit_labels import fit_labels
from streamkm.runs.forecast import forecast_fit
from streamkm.runs.options import DataOptions, FitOptions


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
        bisecting = import_module("streamkm.cli.commands.fit_bisecting")
        bisecting.run(data, output, labels, overwrite=overwrite, **given)
        return
    options = FitOptions.from_parameters(fit_parameters(given))
    saving = checkpoint_options(given)
    source = replace(data_options(data, given), **arrays_beside(data, given))
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
    check_outputs([*outputs.stores, pictures, report], [data, source.sample_weight, source.mask])
    with ExitStack() as stack:
        stack.enter_context(scheduled(*(given[name] for name in CLUSTER)))
        prepared = prepare(source, options)
        if given["dry_run"]:
            show(forecast_fit(prepared, labels is not None), given["as_json"])
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
                local(output), model_from_fit(result, parameters), outputs.over_model
            ),
        )
    model = model_from_fit(result, parameters)
    if given["picture"]:
        save_plot("loss", model, given["picture"])
    show(_result(model, result, outputs, limit), given["as_json"])
    if result.failure is not None:
        again = predict_command(output, data, str(labels), given)
        raise LabelsError(output, result.failure, again) from result.failure


@dataclass(frozen=True)
class Outputs:
    """Outputs of a fit, and those that an earlier run of the same fit wrote.

    Parameters
    ----------
    model : path of the model
    labels : path of the labels, or None
    checkpoint : path or URL of the checkpoint, or None
    identity : of the fit in the checkpoint, or empty
    over_model, over_labels : whether a model or labels there may be replaced
    """

    model: str
    labels: str | None
    checkpoint: str | None
    identity: str
    over_model: bool
    over_labels: bool

    @classmethod
    def from_paths(
        cls, model: str, labels: str | None, checkpoint: str | None, overwrite: bool
    ) -> Outputs:
        """Recover outputs of a killed run, and find those that an earlier run of this fit wrote."""
        paths = [model, model if labels is None else labels]
        identity = fit_in(checkpoint)
        over = [may_replace(path, identity, overwrite) for path in paths]
        return cls(model, labels, checkpoint, identity, *over)

    @property
    def stores(self) -> list[Store | LabelFile | CheckpointOutput | None]:
        """The outputs that are checked before the run."""
        return [
            Store(self.model, MODEL, self.over_model),
            None if self.labels is None else label_output(self.labels, self.over_labels),
            None if self.checkpoint is None else CheckpointOutput(self.checkpoint),
        ]

    def finished_model(self, source: DataOptions, parameters: dict[str, Any]) -> Model | None:
        """Return the model of the same fit if it is done, or None.

        Raises
        ------
        DataChangedError
            If the checkpoint belongs to other data.
        """
        paths = [self.model, self.model if self.labels is None else self.labels]
        if not self.identity or any(fit_of(local(path)) != self.identity for path in paths):
            return None
        same_data(self.checkpoint, source.open(Budget()))
        model = load_model(self.model)
        return model if plain(model.parameters) == plain(parameters) else None

    def label_writer(self, seconds: float) -> LabelWriter | None:
        """Return the function that writes the labels, or None if none are requested."""
        if self.labels is None:
            return None
        target = local(self.labels)
        return partial(fit_labels, target, self.over_labels, seconds, message=say_aside)


def stored_parameters(data: str, given: dict[str, Any], options: FitOptions) -> dict[str, Any]:
    """The options that the model stores."""
    names = dimensions(given["feature_dims"])
    where = {name: given[name] for name in ("variable", "weights", "mask", "nodata")}
    return vars(options) | where | {"data": data, "feature_dim": list(names or ())}


def predict_command(output: str, data: str, labels: str, given: dict[str, Any]) -> str:
    """The command that writes the labels of a stored model."""
    words = ["streamkm", "predict", output, data, "-o", labels]
    words += [word for name in given["feature_dims"] for word in ("--feature-dim", name)]
    variables = given["variable"] or []
    for name in [variables] if isinstance(variables, str) else variables:
        words += ["--variable", name]
    words += [] if given["mask"] is None else ["--mask", given["mask"]]
    limit = given["memory_limit"]
    words += [] if limit is None else ["--memory-limit", str(limit)]
    words += ["--overwrite"] if local(labels).exists() else []
    return shlex.join(words)


def _result(
    model: Model, result: FitResult | None, outputs: Outputs, memory_limit: int | None
) -> dict[str, Any]:
    """The facts to print; for a fit that was already done, those that its model stores."""
    failed = result is not None and result.failure is not None
    return {
        "inertia": model.inertia,
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


def by_phase(reads: Reads, unit: str) -> dict[str, float]:
    """The reads or bytes of each phase, for printing."""
    return {f"{unit}_{phase}": cost[unit] for phase, cost in reads.by_phase.items()}


def _n_left_out(result: FitResult | None) -> int:
    """Number of rows without a label; 0 with weights, whose sum is not the number of rows."""
    gathered = result.state.best.statistic if result else None
    if result is None or gathered is None or result.rows.weights is not None:
        return 0
    return result.rows.layout.n_rows - round(float(gathered.weight))


def _n_distinct(state: FitState) -> int | None:
    return len(state.table.weights) if state.table else None
