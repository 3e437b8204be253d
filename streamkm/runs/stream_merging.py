"""Streams that were summarised apart are merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from streamkm.errors import DataError
from streamkm.models.model import Model
from streamkm.rows import refuse_other_units, reordering
from streamkm.runs.stream import solved
from streamkm.runs.stream_seen import SeenData, merged_seen
from streamkm.streaming import Summary


@dataclass(frozen=True)
class Part:
    """The summary of a stream that is merged with others.

    Parameters
    ----------
    summary : Summary
    name : str, for messages
    features : tuple of str, names of the features; empty if they have none
    units : tuple of str, their units; empty if they have none
    """

    summary: Summary
    name: str
    features: tuple[str, ...] = ()
    units: tuple[str, ...] = ()

    @classmethod
    def from_model(cls, model: Model, name: str) -> Part:
        """Return the summary of a stored model.

        Raises
        ------
        DataError
            If the model has none.
        """
        if not model.summary:
            raise DataError(
                f"{name} is not the model of a stream, so it has no summary of its rows.",
                python="Use models of StreamingKMeans; refine=1 gives them the loss of a fit.",
                command="Use models of `streamkm stream` or of StreamingKMeans; --refine 1 gives "
                "them the loss of a fit.",
            )
        return cls(
            Summary.from_stored(model.summary), name, tuple(model.features), tuple(model.units)
        )


def merge(parts: Sequence[Part]) -> Summary:
    """Return the summary of all rows of several streams; their order does not change its bits.

    Parameters
    ----------
    parts : sequence of Part

    Raises
    ------
    DataError
        If the numbers of clusters, the features, their units or the frozen centroids differ, or a
        stream forgets rows.
    """
    first, most = parts[0], max(part.summary.most for part in parts)
    summaries = []
    for part in parts:
        summary, whose = part.summary, (part.name, first.name)
        if summary.forgetting.is_active:
            raise DataError(
                f"{part.name} forgets rows (half_life or window), so it cannot be merged: the ages "
                "of its rows among those of another stream are not known."
            )
        if summary.n_clusters != first.summary.n_clusters:
            raise DataError(
                f"{part.name} has {summary.n_clusters} clusters, but {first.name} has "
                f"{first.summary.n_clusters}: summarise both for the same number of clusters."
            )
        n, n_first = summary.values.shape[1], first.summary.values.shape[1]
        if n != n_first:
            raise DataError(f"{part.name} has {n} features, but {first.name} has {n_first}.")
        order = reordering(part.features or None, first.features or None, whose)
        places = range(n) if order is None else order
        units = [part.units[at] for at in places] if part.units else None
        refuse_other_units(units, first.units, first.features, f"{part.name} has")
        summary = summary if order is None else summary.with_features(order)
        if not summary.frozen.is_same(first.summary.frozen):
            raise DataError(
                f"{part.name} has other frozen centroids, or another radius, than {first.name}: "
                "summarise both with the same."
            )
        summaries.append(replace(summary, most=most))
    return Summary.combine(summaries)


def merge_models(models: Mapping[str, Model]) -> Model:
    """Return the model of all rows of several streams.

    Parameters
    ----------
    models : mapping of str to Model, by their names for messages

    Raises
    ------
    DataError
        If a model is not that of a stream, or as for `merge`.
    """
    parts = [Part.from_model(model, name) for name, model in models.items()]
    merged, first = merge(parts), next(iter(models.values()))
    data = [name for model in models.values() for name in model.parameters.get("data", [])]
    parameters = first.parameters | ({"data": data} if data else {})
    # It is the result of no run, which might otherwise replace it.
    seen = merged_seen(map(SeenData.of_model, models.values()))
    return replace(first, parameters=parameters, fit="", **seen.fields, **solved(merged))
