"""Updates of a stream: only the rows of a store, or of files, that it has not read are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from streamkm.errors import DataChangedError, DataError, StreamkmWarning
from streamkm.rows import Changes, Rows, SeenStore, Span
from streamkm.rows.dimensions import dimension_names
from streamkm.runs.holds import holds
from streamkm.runs.stream import absorb
from streamkm.runs.stream_seen import SeenData, present_record, rows_each
from streamkm.streaming import Summary
from streamkm.warn import warn

_SHOWN = 6  # extents, or files, of one kind in a message
Reading = Callable[["News"], AbstractContextManager[object]]


@dataclass(frozen=True)
class News:
    """A store of which a stream has read a part, or nothing.

    Parameters
    ----------
    name : str, for messages
    rows : Rows, in blocks that have no rows on both sides of the ends of the new extents
    seen : SeenStore, the store as it is now
    before : SeenStore or None, as it was read
    changes : Changes
    """

    name: str
    rows: Rows
    seen: SeenStore
    before: SeenStore | None
    changes: Changes

    @property
    def blocks(self) -> tuple[range, ...]:
        """Numbers of the blocks that were not read, for each new extent."""
        return tuple(self.rows.plan.between(*span) for span in self.changes.appended)

    @property
    def n_blocks(self) -> int:
        """Number of blocks that were not read."""
        return sum(map(len, self.blocks))

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
                " (its features, chunks, codecs, dtype or other extents are not those that were "
                "read, or only one of the two has weights or a mask)"
            )
        return f"{self.name}: {said}" if said else ""

    @property
    def facts(self) -> dict[str, Any]:
        """The name and the changes, as for JSON."""
        return {"data": self.name, **vars(self.changes)}

    def seen_after(self, position: int) -> SeenStore:
        """Return the record of the store after a read of the new rows.

        Parameters
        ----------
        position : int
            Position of the first new row in the stream.
        """
        before = self.before
        if before is not None and self.lost:
            before = before.without_pieces  # other values than those in the summary
        return self.seen.after(before, position, rows_each(self.rows))

    def _said(self, what: str) -> str:
        """Return the extents of one kind of change in words; empty if there are none."""
        spans: tuple[Span, ...] = getattr(self.changes, what)
        if not spans:
            return ""
        axis, array = self.rows.layout.row_axes[0], self.rows.sources[0]
        dims = dimension_names(array) if array.ndim > axis else None
        where = self.before if what == "removed" and self.before is not None else self.seen
        files = where.named(spans)
        inside = f" ({_some(files)})" if files != [self.name] and files else ""
        extents = _some([f"{start:,}:{stop:,}" for start, stop in spans])
        return f"{what} {(dims and dims[axis]) or 'rows'} {extents}{inside}"


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _SHOWN:,} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more


@dataclass(frozen=True)
class Update:
    """A stream, and stores of which parts may be new.

    Parameters
    ----------
    summary : Summary of the rows so far
    seen : SeenData, what was read
    news : tuple of News
    """

    summary: Summary
    seen: SeenData = field(default_factory=SeenData)
    news: tuple[News, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there are no new rows, and the list of chunks is unchanged."""
        return not any(n.n_blocks or n.changes.changed or n.changes.removed for n in self.news)

    def compared(self, rows: Rows, data: Any, name: str, keep: bool) -> Update:
        """Return the update with one more store, whose new rows are found without reading them.

        Parameters
        ----------
        rows : Rows of the whole store
        data : what they were opened from
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
        now = present_record(rows, data)
        if now is None:
            raise DataError(
                f"{name} is neither a Zarr array in a file system or an object store, nor files "
                "that follow each other along their first row dimension, so its new rows cannot "
                "be distinguished from those that were read.",
                python="Give its path, or give only the new rows to partial_fit.",
                command="Append the rows to a Zarr array, or give a new one with only the new "
                "rows.",
            )
        if self.seen.lacks_record_of(rows, data):
            raise DataError(
                f"the model does not know which part of {name} it has read: it is a model of "
                "--every that is not complete, of an earlier version, or the data were given as a "
                "Dask array or as an open file. Finish the stream, begin a new one from the path, "
                "or merge this model with that of the new rows."
            )
        before = self.seen.before(now)
        changes = self._changes(rows, before, now)
        plan = rows.plan
        for edge in (edge for span in changes.appended for edge in span):
            plan = plan.cut_at(edge)
        found = News(name, replace(rows, plan=plan), now, before, changes)
        if before is not None and not (before.is_listed and now.is_listed):
            warn(
                f"the chunks of {name} cannot be listed; changes of its earlier rows are not "
                "detected",
                StreamkmWarning,
            )
        listed = now.is_listed and all(each.is_listed for each in self.seen.stores)
        if before is None and self.seen.stores and not listed:
            warn(
                f"all rows of {name} count as new: without lists of chunks, data that were read "
                "from another place are not recognised",
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
        return replace(self, news=(*self.news, found))

    def _changes(self, rows: Rows, before: SeenStore | None, now: SeenStore) -> Changes:
        """Return the changes of a store; rewritten rows are compared with the summary."""
        changes = now.changes_since(before)
        if before is None or before.described != now.described:
            return changes
        for piece in before.rewritten(now, rows_each(rows)):
            if not holds(self.summary, rows, piece):
                changes = before.with_differing(changes, now, piece)
        return changes

    def absorbed(self, reading: Reading = nullcontext) -> tuple[Summary, SeenData]:
        """Return the summary of all rows, of which only the new ones are read, and what was read.

        Parameters
        ----------
        reading : callable
            Returns the context in which the new rows of a store are read, such as a bar.
        """
        summary, seen = self.summary, self.seen
        for news in self.news:
            now = news.seen_after(summary.length)
            if news.n_blocks:
                with reading(news):
                    for blocks in news.blocks:
                        summary = absorb(summary, news.rows, blocks)
            seen = seen.with_store(now)
        return summary, seen
