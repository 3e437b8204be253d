"""``streamkm update``."""

from __future__ import annotations

from typing import Any

from streamkm.cli.files import refuse_repeated
from streamkm.cli.scheduler import CLUSTER, scheduled
from streamkm.cli.translate import opening
from streamkm.cli.ui.facts import show
from streamkm.cli.ui.refining import refined_with_bar
from streamkm.cli.ui.say import say_aside
from streamkm.models.model import Model
from streamkm.models.storage import load_model, save_model
from streamkm.outputs import MODEL, Store, alone, check_outputs, local
from streamkm.runs.update import News
from streamkm.runs.update_model import open_update, refuse_refining, updated_model
from streamkm.showing.reads import ReadProgress


def run(model: str, data: tuple[str, ...], *, as_json: bool, changed: str, **given: Any) -> None:
    """Read what is new, replace the model, and print the result."""
    refuse_repeated(data)
    target = local(model)
    with scheduled(*(given[name] for name in CLUSTER)), alone(target):
        before = load_model(model)
        options = [opening(path, _opened_like(before, given)) for path in data]
        beside = [array for each in options for array in (each.sample_weight, each.mask)]
        check_outputs([Store(model, MODEL, overwrite=True)], [*data, *beside])
        refine = given["refine"]
        refine = before.parameters.get("refine", 0) if refine is None else refine
        update = open_update(before, model, options, changed == "keep")
        if refine:
            refuse_refining(update)
        for news in update.news:
            say_aside(news.line)
        after = before if update.is_empty else updated_model(before, update, _bar)
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


def _opened_like(model: Model, given: dict[str, Any]) -> dict[str, Any]:
    """Return the options by which data are opened: those of the command, or those of the model."""
    asked = model.parameters
    dims = model.feature_dim
    dims = () if dims is None else (dims,) if isinstance(dims, (str, int)) else tuple(dims)
    known = {name: asked.get(name) for name in ("variable", "weights", "mask")}
    known |= {"feature_dims": tuple(map(str, dims))}
    opened = {name: given[name] or value for name, value in known.items()}
    nodata = asked.get("nodata", "auto") if given["nodata"] == "model" else given["nodata"]
    return given | opened | {"nodata": nodata}


def _bar(news: News) -> ReadProgress:
    return ReadProgress(news.rows, blocks=news.n_blocks)
