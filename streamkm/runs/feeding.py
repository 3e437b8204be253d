"""The fold of a feed, in batches of a fixed number of rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.checkpoint import Record
from streamkm.checkpointable import Checkpointable
from streamkm.errors import DataError, NonFiniteError
from streamkm.models.model import Model
from streamkm.outputs import plain
from streamkm.runs.feeds import Arrived, Feed, FileEnd, batch_rows, checksum_of
from streamkm.runs.options import DataOptions
from streamkm.runs.stream import StreamOptions, absorb, solved
from streamkm.streaming import Summary
from streamkm.versions import versions

_PIECES = 256  # pieces of the next batch, above which they are joined


@dataclass(frozen=True)
class FeedState(Checkpointable):
    """The rows of a feed so far.

    Parameters
    ----------
    summary : Summary of the whole batches
    pending : tuple of ndarray (m, d), rows of the next batch
    features : names of the features; empty if they have none
    files : names and stamps of the files that are folded
    folded : CRC-32 of the rows of the whole batches
    """

    summary: Summary
    pending: tuple[AnyArray, ...] = ()
    features: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    folded: int = 0

    @property
    def checksum(self) -> int:
        """CRC-32 of all rows."""
        return reduce(checksum_of, self.pending, self.folded)

    @property
    def without_pending(self) -> FeedState:
        """The state before the rows of the next batch."""
        return replace(self, pending=())

    @property
    def n_rows(self) -> int:
        """Number of rows so far, including those that are left out."""
        return self.summary.length + sum(map(len, self.pending))

    def with_rows(self, rows: AnyArray) -> FeedState:
        """Return the state with more rows of the next batch."""
        pending = (*self.pending, rows)
        if len(pending) > _PIECES:
            pending = (np.concatenate(pending),)
        return replace(self, pending=pending)


@dataclass(frozen=True)
class Folding:
    """How the batches of a feed are folded.

    Parameters
    ----------
    options : StreamOptions
    data : DataOptions
        Its `nodata` and `memory_limit` are used.
    batch : int or None
        Rows of a batch; None for about 16 MiB of float64.
    """

    options: StreamOptions
    data: DataOptions
    batch: int | None = None

    def begin(self, first: Arrived) -> FeedState:
        """Return the state before the first rows of a feed."""
        summary = self.options.first_summary(first.rows.shape[1], first.features)
        return FeedState(summary, features=first.features)

    def after(self, state: FeedState, arrived: Arrived) -> Iterator[FeedState]:
        """Yield the state with more rows, as far as they fill batches, and then with all.

        Raises
        ------
        NonFiniteError, DataError
            For rows that no summary can use, or with another number of features.
        """
        d, rows = state.summary.values.shape[1], arrived.rows
        if rows.shape[1] != d:
            raise DataError(
                f"{arrived.source}: after {state.n_rows:,} rows of {d} features there is one of "
                f"{rows.shape[1]}; every row needs the same features."
            )
        batch = batch_rows(d, self.batch)
        start = 0
        while start < len(rows):
            missing = batch - sum(map(len, state.pending))
            state = state.with_rows(rows[start : start + missing])
            if missing <= len(rows) - start:
                state = self.flushed(state, arrived.source)
            start += missing
            yield state

    def flushed(self, state: FeedState, source: str = "the feed") -> FeedState:
        """Return the state with the pending rows folded, too."""
        if not state.pending:
            return state
        data = replace(self.data, data=np.concatenate(state.pending))
        try:
            rows = data.open(self.options.budget(data.memory_limit))
            summary = absorb(state.summary, rows)
            return replace(state, summary=summary, pending=(), folded=state.checksum)
        except NonFiniteError as error:
            row = state.summary.length + error.row
            found = NonFiniteError(error.count, row, None, error.large)
            said = {"python": str(found), "command": found.for_command}
            raise DataError(f"{source}:", **said) from error


class _States(NamedTuple):
    """The present state, and that before a file which is being read, if there are any.

    They are replaced together, so that an interruption at any time leaves both in agreement.
    """

    now: FeedState | None = None
    before_file: FeedState | None = None


class Feeding:
    """Folds a feed; iterating yields the state after every event once there are rows.

    Parameters
    ----------
    feed : Feed
    folding : Folding
    state : FeedState or None
        That of an earlier run.
    """

    def __init__(self, feed: Feed, folding: Folding, state: FeedState | None = None) -> None:
        self._feed, self.folding = feed, folding
        self._states = _States(state)
        self._so_far: tuple[FeedState | None, Summary | None] = None, None
        self._source = "the checkpoint"  # of the last rows, for messages

    @property
    def state(self) -> FeedState | None:
        """The state with all rows that arrived."""
        return self._states.now

    @property
    def saved(self) -> FeedState | None:
        """The state for a checkpoint, without the rows of a file that is not at its end."""
        return self._states.before_file or self._states.now

    @property
    def so_far(self) -> Summary | None:
        """The summary of all rows that arrived; None if there are none."""
        if self.state is not None and self._so_far[0] is not self.state:
            self._so_far = self.state, self._flushed(self.state).summary
        return self._so_far[1]

    def __iter__(self) -> Iterator[FeedState]:
        for event in self._feed:
            if isinstance(event, Arrived) and len(event.rows):
                yield from self._arrived(event)
                continue
            if isinstance(event, FileEnd) and self.state is not None:
                self._states = _States(self._at_end(event, self.state))
            if self.state is not None:
                yield self.state
        if self.state is not None:
            self._states = _States(self._flushed(self.state))
            yield self.state

    def _flushed(self, state: FeedState) -> FeedState:
        return self.folding.flushed(state, self._source)

    def _arrived(self, event: Arrived) -> Iterator[FeedState]:
        self._source = event.source
        state, before = self._states
        state = state or self.folding.begin(event)
        before = before or (state if event.in_file else None)
        for now in self.folding.after(state, event):
            self._states = _States(now, before)
            yield now

    def _at_end(self, event: FileEnd, state: FeedState) -> FeedState:
        if event.withdrawn:
            return self._states.before_file or state
        state = self.folding.flushed(state, event.name)
        return replace(state, files=(*state.files, (event.name, event.stamp)))


def feed_record(
    name: str, options: StreamOptions, asked: Mapping[str, object], nodata: object
) -> Record:
    """Return the record of a feed, by which a checkpoint knows it.

    Parameters
    ----------
    name : str, where the rows come from
    options : StreamOptions
    asked : mapping, other options that determine the result
    nodata : values of rows that are left out, which a run that resumes may change
    """
    asked, free = plain({**options.recorded, **asked}), plain({"nodata": nodata})
    return Record("feed", asked, {"feed": name}, free, versions())


def feed_model(
    features: Sequence[str], parameters: Mapping[str, Any], identity: str, summary: Summary
) -> Model:
    """Return the model of the summary of a feed."""
    return Model(
        parameters=dict(parameters),
        features=list(features),
        units=[],
        fit=identity,
        **solved(summary),
    )
