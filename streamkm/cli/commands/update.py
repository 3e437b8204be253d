"""``streamkm update``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streamkm.cli.files import refuse_repeated
from streamkm.cli.scheduler import CLUSTER, scheduled
from streamkm.cli.translate import arrays_beside
from streamkm.cli.ui.facts import show
from streamkm.cli.ui.refining import refined_with_bar
from streamkm.cli.ui.say import say_aside
from streamkm.models.model import Model
from streamkm.models.storage import load_model, save_model
from streamkm.outputs import MODEL, Store, alone, check_outputs, local
from streamkm.runs.options import DataOptions
from streamkm.runs.update import News, Update
from streamkm.showing.reads import ReadProgress


def run(model: str, data: tuple[str, ...], *, as_json: bool, changed: str, **given: Any) -> None:
    """Read what is new, replace the model, and print the result."""
    refuse_repeated(data)
    check_outputs([Store(model, MODEL, overwrite=True)], data)
    target = local(model)
    with scheduled(*(given[name] for name in CLUSTER)), alone(target):
        before = load_model(model)
        options = _options(before, data, given)
        refine = given["refine"]
        refine = before.parameters.get("refine", 0) if refine is None else refine
        update = Update.open(before, model, options, changed == "keep")
        if refine:
            update.refuse_refining()
        for news in update.news:
            say_aside(news.line)
        after = before if update.is_empty else update.updated(_bar)
        if refine and (given["refine"] or not update.is_empty):
            after = refined_with_bar(after, options[0], refine)
        if after is not before:
            save_model(target, after, overwrite=True)
    rows = after.summary["rows"]
    facts = {
        "rows": rows,
        "rows_added": rows - before.summary["rows"],
        "rows_of_the_summary": len(after.summary["weights"]),
        "inertia": after.inertia,
        "model": model,
    }
    show(facts | ({"stores": [n.facts for n in update.news]} if as_json else {}), as_json)


def _options(model: Model, data: Sequence[str], given: dict[str, Any]) -> list[DataOptions]:
    asked = model.parameters
    variable = given["variable"] or asked.get("variable")
    nodata, limit = asked.get("nodata", "auto"), given["memory_limit"]
    beside = {name: asked.get(name) for name in ("weights", "mask")}
    return [
        DataOptions(
            path,
            model.feature_dim,
            variable,
            nodata=nodata,
            memory_limit=limit,
            **arrays_beside(path, beside),
        )
        for path in data
    ]


def _bar(news: News) -> ReadProgress:
    return ReadProgress(news.rows, blocks=len(news.blocks))
