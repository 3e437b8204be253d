"""``streamkm fit --algorithm bisecting``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import click

from streamkm.cli.commands.fit_outputs import Outputs, by_phase, predict_command, stored_parameters
from streamkm.cli.common import cost_since, peak_memory
from streamkm.cli.files import check_before, report_file
from streamkm.cli.scheduler import CLUSTER, scheduled
from streamkm.cli.translate import fit_parameters, opening
from streamkm.cli.ui.facts import show
from streamkm.cli.ui.say import say_aside
from streamkm.errors import LabelsError
from streamkm.models.storage import save_model
from streamkm.outputs import alone, local
from streamkm.runs.bisected import Bisected, model_from_bisected
from streamkm.runs.bisecting import TreeWriter, bisect, prepare_bisecting
from streamkm.runs.fit_labels import tree_labels
from streamkm.runs.fit_options import FitOptions
from streamkm.runs.forecast import forecast_bisecting
from streamkm.showing.reads import ReadProgress

# Options that do not apply, by parameter, with their defaults.
_OTHERS = {
    "restarts": "all",
    "metric": "euclidean",
    "min_size": None,
    "max_size": None,
    "missing": None,
    "loss_tol": None,
    "time_limit": None,
    "checkpoint": None,
    "checkpoint_reads": None,
    "picture": None,
    "timed": False,
}


def run(data: str, output: str, labels: str | None, *, overwrite: bool, **given: Any) -> None:
    """Split clusters until there are k, write the model and the labels, and print the result."""
    began = time.monotonic()
    _refuse_others(given)
    options = FitOptions.from_parameters(fit_parameters(given) | {"algorithm": "auto"})
    source = opening(data, given)
    asked = stored_parameters(data, given, options)
    parameters = {n: v for n, v in asked.items() if n not in _OTHERS} | {"algorithm": "bisecting"}
    outputs = Outputs.from_paths(output, labels, None, overwrite)
    report = report_file(given["report"], overwrite)
    inputs = [data, source.sample_weight, source.mask]
    check_before([*outputs.stores, report], inputs, given["dry_run"])
    with ExitStack() as stack:
        stack.enter_context(scheduled(*(given[name] for name in CLUSTER)))
        prepared = prepare_bisecting(source, options)
        outputs.refuse_labels(prepared.rows, options.n_clusters)
        if given["dry_run"]:
            show(forecast_bisecting(prepared, labels is not None), given["as_json"])
            return
        for path in (output, *([labels] if labels else [])):
            stack.enter_context(alone(local(path)))
        bar = stack.enter_context(ReadProgress(prepared.rows))
        result = bisect(
            prepared,
            by_weight=False,
            labels=_label_writer(outputs, given["checkpoint_every"], bar),
            progress=bar.callbacks,
            save=lambda result: save_model(
                local(output),
                replace(model_from_bisected(result, parameters), cost=cost_since(began)),
                outputs.over_model,
            ),
        )
    show(_result(result, outputs, source.memory_limit), given["as_json"])
    if result.failure is not None:
        again = predict_command(output, data, str(labels), given)
        raise LabelsError(output, result.failure, again) from result.failure


def _refuse_others(given: Mapping[str, Any]) -> None:
    """Raise an error for options that do not apply to bisecting k-means."""
    words = {"picture": "plot", "timed": "time"}
    names = [name for name, default in _OTHERS.items() if given[name] != default]
    options = [f"--{words.get(name, name).replace('_', '-')}" for name in names]
    if options:
        verb = "does" if len(options) == 1 else "do"
        raise click.UsageError(f"{' and '.join(options)} {verb} not apply to --algorithm bisecting")


def _label_writer(outputs: Outputs, seconds: float, bar: ReadProgress) -> TreeWriter | None:
    if outputs.labels is None:
        return None
    return partial(
        tree_labels,
        local(outputs.labels),
        outputs.over_labels,
        seconds,
        lambda folded: bar.advance_to(folded.n_blocks),
        say_aside,
    )


def _result(result: Bisected, outputs: Outputs, memory_limit: int | None) -> dict[str, Any]:
    """The facts to print."""
    left_out = 0
    if result.rows.weights is None:
        left_out = result.rows.layout.n_rows - round(result.counts.sum())
    return {
        "inertia": result.inertia,
        "splits": len(result.tree.pairs),
        "reads": result.reads.total,
        **by_phase(result.reads, "reads"),
        "bytes_read": result.reads.bytes_read,
        **by_phase(result.reads, "bytes"),
        "rows_left_out": left_out or None,
        "peak_memory_bytes": peak_memory(),
        "memory_limit_bytes": memory_limit,
        "model": outputs.model,
        "labels": None if result.failure else outputs.labels,
    }
