"""``streamkm tree``."""

from __future__ import annotations

import shutil
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import click

from streamkm.cli.commands.fit_outputs import stored_parameters
from streamkm.cli.common import cost_since, peak_memory
from streamkm.cli.files import check_before, report_file
from streamkm.cli.scheduler import CLUSTER, scheduled
from streamkm.cli.translate import fit_parameters, opening
from streamkm.cli.ui.facts import show
from streamkm.models.storage import save_model
from streamkm.outputs import MODEL, Store, alone, local
from streamkm.runs.fit_options import FitOptions
from streamkm.runs.growing import grow
from streamkm.runs.hierarchy import (
    GrownHierarchy,
    model_from_hierarchy,
    prepare_hierarchy,
)
from streamkm.runs.hierarchy_forecast import forecast_hierarchy
from streamkm.runs.hierarchy_options import HierarchyOptions
from streamkm.showing.reads import ReadProgress


def run(
    data: str, output: str, *, overwrite: bool, dry_run: bool, as_json: bool, **given: Any
) -> None:
    """Fit all levels, write the model, and print the result."""
    began = time.monotonic()
    options = _options(given)
    source = opening(data, given)
    parameters = stored_parameters(data, given, options.fit) | {
        name: given[name] for name in _OWN if given[name] is not None
    }
    outputs = [Store(output, MODEL, overwrite), report_file(given["report"], overwrite)]
    check_before(outputs, [data, source.sample_weight, source.mask], dry_run)
    target = local(output)
    folder = target.with_name(f".{target.name}.growing")
    with ExitStack() as stack:
        stack.enter_context(scheduled(*(given[name] for name in CLUSTER)))
        prepared = prepare_hierarchy(source, options)
        if dry_run:
            facts = forecast_hierarchy(prepared)
            show(facts if as_json else _with_lines(facts), as_json)
            return
        stack.enter_context(alone(target))
        bar = stack.enter_context(ReadProgress(prepared.rows))
        result = grow(prepared, folder, restart=True, progress=bar.callbacks)
        model = model_from_hierarchy(result, prepared.rows, parameters)
        save_model(target, replace(model, cost=cost_since(began)), overwrite)
        shutil.rmtree(folder)
    show(_facts(result, output, source.memory_limit), as_json)


def _with_lines(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts with the levels as names and values of their own."""
    lines: dict[str, Any] = {}
    for number, level in enumerate(facts["levels"], 1):
        lines |= {f"level {number}: {name}": value for name, value in level.items()}
    split = list(facts).index("levels")
    before, after = list(facts.items())[:split], list(facts.items())[split + 1 :]
    return dict(before) | lines | dict(after)


_OWN = (
    "n_clusters",
    "levels",
    "branching",
    "groups",
    "resampling",
    "resampled_rows",
    "level_weights",
)


def _options(given: dict[str, Any]) -> HierarchyOptions:
    """The checked options."""
    if (given["n_clusters"] is None) == (given["branching"] is None):
        raise click.UsageError("give either -k or --branching (with --levels)")
    several = isinstance(given["n_clusters"], list)
    for option, unused in (
        ("--groups", given["groups"] is not None),
        ("--level-weights equal", given["level_weights"] != "counts"),
    ):
        if unused and not several:
            raise click.UsageError(
                f"{option} needs the clusters of several levels, as in -k 10000,500"
            )
    if given["levels"] is not None and several:
        raise click.UsageError("-k has the clusters of all levels; leave out --levels")
    fit = FitOptions.from_parameters(fit_parameters(given) | {"n_clusters": 1})
    defaults = {"groups": "auto", "levels": 2}
    asked = given | {name: value for name, value in defaults.items() if given[name] is None}
    try:
        return HierarchyOptions.from_parameters(asked, fit)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'-k'") from error


def _facts(result: GrownHierarchy, output: str, memory_limit: int | None) -> dict[str, Any]:
    """The facts to print."""
    routing = result.routing
    ratio = round(routing.routed / routing.exact, 6) if routing.exact > 0 else None
    return {
        "clusters": [len(result.leaves), *result.hierarchy.n_clusters],
        "inertia": result.inertia,
        "reads": result.n_passes,
        "routed_to_another_cluster": f"{routing.differing:.2%} of {routing.n_rows:,} sampled rows",
        "routed_loss_ratio": ratio,
        "peak_memory_bytes": peak_memory(),
        "memory_limit_bytes": memory_limit,
        "model": output,
    }
