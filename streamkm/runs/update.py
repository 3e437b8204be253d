"""Updates of the model of a stream: only the rows of a store that it has not read are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from streamkm.errors import DataChangedError, DataError, StreamkmWarning
from streamkm.models.model import Model
from streamkm.outputs import place_of
from streamkm.rows import Changes, Rows, Seen, refuse_other_units, seen_of
from streamkm.rows.paths import dimension_names
from streamkm.runs.holds import holds
from streamkm.runs.options import DataOptions
from streamkm.runs.refine import refuse_part
from streamkm.runs.stream import StreamOptions, absorb, solution_of, solved
from streamkm.runs.stream_merging import Part, seen_by
from streamkm.streaming import Summary
from streamkm.warn import warn

_SHOWN = 6  # extents of one kind in a message


@dataclass(frozen=True)
class News:
    """A store of which a stream has read a part, or nothing.

    Parameters
    ----------
    name : str, for messages
    rows : Rows, in blocks that have no rows on both sides of `start`
    start : extent of the first row axis that was read
    seen : Seen, the store as it is now
    before : Seen or None, as it was read
    changes : Changes
    """

    name: str
    rows: Rows
    start: int
    seen: Seen
    before: Seen | None
    changes: Changes

    @property
    def blocks(self) -> range:
        """Numbers of the blocks that were not read."""
        if self.start >= self.seen.length:
            return range(0)
        return self.rows.plan.from_start(self.start)

    @property
    def line(self) -> str:
        """The new rows, in words. What changed or is gone is in the warning or the error."""
        return f"{self.name}: {self._said('appended') or 'nothing new'}"

    @property
    def lost(self) -> str:
        """Rows that were read and have changed or are gone, in words; empty if there are none."""
        said = ", ".join(filter(None, map(self._said, ("changed", "removed"))))
        if said and self.before is not None and self.before.described != self.seen.described:
            said += (
                " (its chunks, codecs, dtype or other extents are not those that were read, or "
                "only one of the two has weights or a mask)"
            )
        return f"{self.name}: {said}" if said else ""

    def seen_after(self, position: int) -> Seen:
        """Return the record of the store after a read of the new rows.

        Parameters
        ----------
        position : int
            Position of the first new row in the stream.
        """
        before = self.before
        if before is not None and self.lost:
            before = replace(before, pieces=())  # other values than those in the summary
        return self.seen.after(before, position)

    @property
    def facts(self) -> dict[str, Any]:
        """The name and the changes, as for JSON."""
        return {"data": self.name, **vars(self.changes)}

    def _said(self, what: str) -> str:
        """Return the extents of one kind of change in words; empty if there are none."""
        spans = getattr(self.changes, what)
        axis, array = self.rows.layout.row_axes[0], self.rows.sources[0]
        dims = dimension_names(array) if array.ndim > axis else None
        some = [f"{start:,}:{stop:,}" for start, stop in spans[:_SHOWN]]
        more = f" and {len(spans) - _SHOWN:,} more" if len(spans) > _SHOWN else ""
        return f"{what} {(dims and dims[axis]) or 'rows'} {', '.join(some)}{more}" if some else ""


def sight(rows: Rows) -> Seen | None:
    """Return what a read of all rows sees; None for data other than Zarr stores with an address."""
    places = [place_of(array) for array in rows.sources if not hasattr(array, "strides")]
    if not places or any(place is None or place.in_memory for place in places):
        return None
    return seen_of(rows, " ".join(map(str, places)))


def with_seen(seen: Sequence[Seen], now: Seen | None) -> tuple[Seen, ...]:
    """Return what a stream has seen after the read of a store."""
    if now is None:
        return tuple(seen)
    return (*(each for each in seen if not each.is_at(now)), now)


def news_of(
    rows: Rows, seen: Sequence[Seen] | None, summary: Summary, name: str, keep: bool
) -> News:
    """Return the part of a store that was not read, without reading it.

    Parameters
    ----------
    rows : Rows of the whole store
    summary : Summary of the stream, with some rows of the store
    seen : what the stream has seen; None if it is unknown
    name : for messages
    keep : whether rows in the summary that have changed or are gone stay there, with a warning

    Raises
    ------
    DataError
        If what was read of the store cannot be known.
    DataChangedError
        If rows that were read have changed or are gone, unless `keep`.

    Warns
    -----
    StreamkmWarning
        If such rows are kept, or the chunks of the store cannot be listed.
    """
    now = sight(rows)
    if now is None:
        raise DataError(
            f"{name} is not a Zarr array in a file system or an object store, so its new rows "
            "cannot be distinguished from those that were read.",
            python="Give its path, or give only the new rows to partial_fit.",
            command="Append the rows to a Zarr array, or give a new one with only the new rows.",
        )
    if seen is None:
        raise DataError(
            "the model does not know which chunks of its data were read: it is a model of --every "
            "that is not complete, of an earlier version, or of data that are not in Zarr. Finish "
            "the stream, begin a new one, or merge this model with that of the new rows."
        )
    before = next((each for each in seen if each.is_at(now)), None)
    changes = Changes.between(before, now)
    grown = before is not None and changes.appended and not changes.changed
    if before is not None and grown and not holds(summary, rows, before):
        changes = replace(changes, changed=((before.last_full, before.length),))
    start = 0 if before is None else before.length
    rows = replace(rows, plan=rows.plan.cut_at(min(start, now.length)))
    found = News(name, rows, start, now, before, changes)
    if before is not None and not (before.is_listed and now.is_listed):
        warn(
            f"the chunks of {name} cannot be listed; changes of its earlier rows are not detected",
            StreamkmWarning,
        )
    if found.lost and keep:
        warn(f"{found.lost}. The model keeps these rows as they were read.", StreamkmWarning)
    elif found.lost:
        raise DataChangedError(
            f"{found.lost}. Rows cannot be taken out of a summary: summarise the data again,",
            python="by fit, or keep these rows as they were read, by changed='keep'.",
            command="by `streamkm stream`, or keep these rows as they were read, by "
            "--changed keep.",
        )
    return found


@dataclass(frozen=True)
class Update:
    """The model of a stream, and stores of which parts may be new.

    Parameters
    ----------
    model : Model
    options : StreamOptions
    news : tuple of News
    """

    model: Model
    options: StreamOptions
    news: tuple[News, ...]

    @classmethod
    def open(cls, model: Model, name: str, data: Sequence[DataOptions], keep: bool) -> Update:
        """Open all stores, and compare them with what the model has seen, before any is read.

        Raises
        ------
        DataError
            If the model is not that of a stream, or a store has other features or units.
        DataChangedError
            As for `news_of`.
        """
        summary = Part.from_model(model, name).summary
        options = StreamOptions.of_summary(summary)
        seen, found = seen_by(model), []
        for each in data:
            rows = replace(each, names=model.features or None).open(
                options.budget(each.memory_limit)
            )
            d, layout = summary.values.shape[1], rows.layout
            if layout.n_features != d:
                raise DataError(
                    f"{each.data} has {layout.n_features} features, but {name} has {d}."
                )
            refuse_other_units(layout.units, model.units, layout.names, f"{each.data} has")
            found.append(news_of(rows, seen, summary, str(each.data), keep))
        return cls(model, options, tuple(found))

    @property
    def is_empty(self) -> bool:
        """Whether there are no new rows, and the list of chunks is unchanged."""
        return not any(n.blocks or n.changes.changed or n.changes.removed for n in self.news)

    def refuse_refining(self) -> None:
        """Refuse further reads if these stores have not all rows of the model.

        Raises
        ------
        DataError
        """
        if len(self.news) > 1:
            raise DataError("--refine reads all rows as one array, so it needs a single store.")
        news = self.news[0]
        new = sum(map(news.rows.plan.n_rows, news.blocks))
        refuse_part(self.model.summary["length"] + new, news.rows)

    def updated(self, reading: Callable[[News], AbstractContextManager[object]]) -> Model:
        """Return the model of all rows.

        Parameters
        ----------
        reading : callable
            Returns the context in which the new rows of a store are read, such as a bar.
        """
        summary, seen = Summary.from_stored(self.model.summary), self.model.seen
        names = list(self.model.parameters.get("data", []))
        for news in self.news:
            now = news.seen_after(summary.length)
            if news.blocks:
                with reading(news):
                    summary = absorb(summary, news.rows, news.blocks)
            seen = with_seen(seen, now)
            names += [] if news.before is not None else [news.name]
        same = summary.length == self.model.summary["length"]
        fields = {} if same else solved(summary, solution_of(self.model))
        parameters = self.model.parameters | {"data": names}
        # It is the result of no run, which might otherwise replace it.
        return replace(self.model, parameters=parameters, fit="", seen=seen, **fields)
