"""The report of a model: its fit, its clusters and, from one read of the data, their rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import streamkm
from streamkm.arrays import AnyArray, Float64Array
from streamkm.engine import map_reduce
from streamkm.errors import DataError
from streamkm.estimators.loading import from_model
from streamkm.models.facts import facts_of, set_parameters, size_cells
from streamkm.models.model import Model
from streamkm.passes import Nearest, Product, Scatter
from streamkm.passes.sample import SampleUniform, threshold_of
from streamkm.plot.cluster_scatter import draw_clusters
from streamkm.plot.models import Drawn
from streamkm.plot.nearest_rows import draw_nearest
from streamkm.plot.silhouette_bars import draw_widths
from streamkm.plot.size_bars import draw_counts
from streamkm.reporting.commands import command_line, command_of
from streamkm.reporting.html import Html, join, table, tag
from streamkm.reporting.html import facts as listed
from streamkm.reporting.page import Section, command, pictures
from streamkm.reporting.pictures import picture
from streamkm.sizes import show_bytes

_SAMPLE = 1000  # rows that are drawn
_ROWS = 200  # clusters of the table
_SERIES = 200  # centroids that are drawn as lines
_GALLERY = 40  # clusters whose nearest rows are drawn


@dataclass(frozen=True)
class Members:
    """What one read finds of the rows of each cluster.

    Parameters
    ----------
    counts : sizes (k,)
    spread : mean distance of the rows of each cluster from its centroid (k,), or None if another
        rule than the nearest centroid assigns them
    nearest : the rows nearest to each centroid
    sample : scaled rows (m, d)
    nbytes : bytes that were read
    """

    counts: Float64Array | None
    spread: Float64Array | None
    nearest: Nearest
    sample: AnyArray
    nbytes: int


def read_members(model: Model, data: Any, n: int) -> Members:
    """Read the data once.

    Raises
    ------
    DataError
        If the data do not have the features of the fit.
    """
    drawn = Drawn.from_model(model)
    rows = drawn.open(data)
    closest = drawn.fitted._closest(n)
    chance = threshold_of(2 * _SAMPLE / max(1, rows.layout.n_rows))
    sampling, scatter = SampleUniform(_SAMPLE, chance, 0, 0), Scatter(closest.centroids)
    ranked, sampled, scattered = map_reduce(Product((closest, sampling, scatter)), rows).parts
    if not len(sampled.values):
        raise DataError("the data have no rows for a report: all are left out as nodata.")
    nearest = ranked.nearest(len(closest.centroids), n)
    if closest.assigner is not None:
        return Members(None, None, nearest, sampled.values, rows.layout.nbytes)
    counts = scattered.counts
    spread = scattered.distances / np.maximum(counts, 1)
    return Members(counts, spread, nearest, sampled.values, rows.layout.nbytes)


def sections(
    model: Model, path: str, members: Members | None, shape: Sequence[int] | None
) -> Iterator[Section]:
    """Yield the sections of the report of a model.

    Parameters
    ----------
    model : Model
    path : of the model, for the command that repeats the fit
    members : what a read of the data has found, or None
    shape : shape of a row as an image, or None
    """
    yield Section("run", "The run", _run(model, path))
    yield Section("clusters", "Clusters", _clusters(model, members, shape))
    if members is not None:
        yield Section("rows", "Rows", _rows(model, members, shape))


def _run(model: Model, path: str) -> Html:
    found = facts_of(model)
    found["centroids"] = "{} clusters, {} features".format(*model.centroids.shape)
    if "reads" in found:
        phases = (f"{cost['reads']:g} for {phase}" for phase, cost in model.reads.items())
        found["reads"] += "".join(f", {each}" for each in phases)
    data = model.parameters.get("data")
    if data is not None:
        found = {"data": data if isinstance(data, str) else ", ".join(map(str, data))} | found
        other = {n: v for n, v in model.parameters.items() if n != "data"}
        found["parameters"] = set_parameters(other)
        again = command_line(command_of(other), data, path, other)
    else:
        again = f"streamkm.{from_model(model)!r}.fit(X)"
    parts = [listed(found), tag("p", "The run is repeated by:"), command(again)]
    if len(model.history) and model.hierarchy is None:
        parts.append(pictures(picture(partial(streamkm.plot.loss, model), "The loss by iteration")))
    return join(parts)


def _clusters(model: Model, members: Members | None, shape: Sequence[int] | None) -> Html:
    k = len(model.centroids)
    drawn = []
    counts = _counts(model, members)
    if counts is not None:
        draw = partial(draw_counts, Drawn.from_model(model).names, counts, None)
        drawn.append(picture(draw, "The sizes of the clusters"))
    if k <= _SERIES or shape is not None:
        by = "as images" if shape is not None else "over the features"
        draw = partial(streamkm.plot.centroids, model, shape)
        drawn.append(picture(draw, f"The centroids {by}"))
    notes = [] if members is not None else ["Distances and nearest rows need the data (--data)."]
    if k > _ROWS:
        notes.append(f"The table has the first {_ROWS} of {k:,} clusters.")
    return join(
        [
            *(tag("p", note, class_="quiet") for note in notes),
            *_table(model, members),
            pictures(*drawn),
        ]
    )


def _counts(model: Model, members: Members | None) -> Float64Array | None:
    """The sizes of the clusters; mini-batches count rows repeatedly, so theirs are not sizes."""
    if model.counts is not None and not model.batches:
        return model.counts
    return None if members is None else members.counts


def _table(model: Model, members: Members | None) -> Iterator[Html]:
    """The number, name, size, share, spread and nearest rows of each cluster."""
    counts, columns, k = _counts(model, members), ["cluster"], min(_ROWS, len(model.centroids))
    cells: list[list[str]] = [[str(number)] for number in range(k)]
    if any(name is not None for name in model.names):
        columns.append("name")
        for row, name in zip(cells, model.names, strict=False):
            row.append("" if name is None else str(name))
    if counts is not None:
        columns += [
            "rows" if model.parameters.get("weights") is None else "sum of weights",
            "share",
        ]
        total = float(counts.sum())
        for row, count in zip(cells, counts.tolist(), strict=False):
            row += size_cells(count, total)
    if members is not None and members.spread is not None:
        columns.append("mean distance")
        for row, spread in zip(cells, members.spread.tolist(), strict=False):
            row.append(f"{spread:.4g}")
    if members is not None:
        columns.append("nearest rows")
        for row, numbers in zip(cells, members.nearest.numbers.tolist(), strict=False):
            row.append(", ".join(f"{number:,}" for number in numbers if number >= 0))
    if len(columns) > 1:
        yield table("Clusters by number", columns, cells)


def _rows(model: Model, members: Members, shape: Sequence[int] | None) -> Html:
    drawn = Drawn.from_model(model)
    labels = drawn.labels(members.sample)
    found = [
        picture(
            lambda: draw_clusters(drawn, (members.sample, labels), drawn.fitted._centroids, None)[
                0
            ],
            "A sample of the rows by cluster",
        )
    ]
    if 1 < len(np.unique(labels)) < len(labels):
        draw = partial(draw_widths, drawn, members.sample, labels, None)
        found.append(picture(draw, "The silhouettes of the sample"))
    if len(model.centroids) <= _GALLERY:
        draw = partial(draw_nearest, drawn, members.nearest, shape, None)
        found.append(picture(draw, "The rows nearest to each centroid"))
    read = tag("p", _cost(members), class_="quiet")
    return join([read, pictures(*found)])


def _cost(members: Members) -> str:
    rows = f"{len(members.sample):,} rows"
    return f"This report read the data once ({show_bytes(members.nbytes)}); {rows} are drawn."
