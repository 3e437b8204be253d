"""Updates of the stored model of a stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from streamkm.errors import DataError
from streamkm.models.model import Model
from streamkm.rows import refuse_other_units
from streamkm.runs.options import DataOptions
from streamkm.runs.refine import refuse_part, refuse_unequal
from streamkm.runs.stream import StreamOptions, solution_of, solved
from streamkm.runs.stream_merging import Part
from streamkm.runs.stream_seen import SeenData, refuse_repeated_files
from streamkm.runs.update import Reading, Update


def open_update(model: Model, name: str, data: Sequence[DataOptions], keep: bool) -> Update:
    """Open all stores, and compare them with what a model has read, before any is read.

    Raises
    ------
    DataError
        If the model is not that of a stream, a store has other features or units, or two have a
        file in common.
    DataChangedError
        As for `Update.compared`.
    """
    summary = Part.from_model(model, name).summary
    options, update = StreamOptions.of_summary(summary), Update(summary, SeenData.of_model(model))
    for each in data:
        rows = replace(each, names=model.features or None).open(options.budget(each.memory_limit))
        d, layout = summary.values.shape[1], rows.layout
        if layout.n_features != d:
            raise DataError(f"{each.data} has {layout.n_features} features, but {name} has {d}.")
        refuse_other_units(layout.units, model.units, layout.names, f"{each.data} has")
        update = update.compared(rows, each.data, str(each.data), keep)
    refuse_repeated_files((n.name for n in update.news), (n.rows for n in update.news))
    return update


def refuse_refining(update: Update) -> None:
    """Refuse further reads of a stream whose rows do not count alike, or of a part of its rows.

    Raises
    ------
    DataError
    """
    refuse_unequal(update.summary)
    if len(update.news) > 1:
        raise DataError("--refine reads all rows as one array, so it needs a single store.")
    news = update.news[0]
    new = sum(news.rows.plan.n_rows(number) for blocks in news.blocks for number in blocks)
    refuse_part(update.summary.length + new, news.rows)


def updated_model(model: Model, update: Update, reading: Reading) -> Model:
    """Return the model of all rows.

    Parameters
    ----------
    model : Model
    update : Update of this model
    reading : as for `Update.absorbed`
    """
    summary, seen = update.absorbed(reading)
    names = [*model.parameters.get("data", []), *(n.name for n in update.news if not n.before)]
    same = summary.length == update.summary.length
    fields = {} if same else solved(summary, solution_of(model))
    parameters = model.parameters | {"data": names}
    # It is the result of no run, which might otherwise replace it.
    return replace(model, parameters=parameters, fit="", **seen.fields, **fields)
