"""A stream of stores that are read one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from streamkm.checkpoint import Record
from streamkm.checkpointable import Checkpointable
from streamkm.engine import Folded, folding, same_processes, wave_size
from streamkm.errors import DataChangedError, DataError
from streamkm.models.model import Model
from streamkm.outputs import plain
from streamkm.rows import Rows, fingerprint, refuse_other_units
from streamkm.runs.labels import digest_of
from streamkm.runs.options import DataOptions
from streamkm.runs.stream import StreamOptions, solved
from streamkm.runs.stream_saves import Saves
from streamkm.runs.stream_seen import SeenData, refuse_repeated_files
from streamkm.streaming import Summarise, Summary
from streamkm.versions import versions


@dataclass(frozen=True)
class StreamState(Checkpointable):
    """A stream of several stores, between two waves of a read.

    Parameters
    ----------
    summary : Summary of the stores that are read completely
    n_stores : number of these stores
    folded : Folded, the part of the next store that is read
    """

    summary: Summary
    n_stores: int = 0
    folded: Folded = field(default_factory=Folded)

    @property
    def n_blocks(self) -> int:
        """Number of blocks of the present store that are read."""
        return self.folded.n_blocks

    @property
    def so_far(self) -> Summary:
        """The summary of all rows that are read."""
        if not self.n_blocks:
            return self.summary
        return Summary.combine([self.summary, self.folded.total()])


@dataclass(frozen=True)
class Stores:
    """The stores of a stream, in the order in which they are read.

    Parameters
    ----------
    names : tuple of str, their paths
    rows : tuple of Rows, with the features in the order of the first store
    """

    names: tuple[str, ...]
    rows: tuple[Rows, ...]

    @classmethod
    def open(cls, data: Sequence[DataOptions], options: StreamOptions) -> Stores:
        """Open all stores before any is read.

        Raises
        ------
        DataError
            If they have different features, features of different units, or a file in common.
        MemoryLimitError
            If a block does not fit in the memory limit.
        """
        opened: list[Rows] = []
        for each in data:
            names = next((r.layout.names for r in opened if r.layout.names), None)
            with _naming(each.data):
                rows = replace(each, names=names).open(options.budget(each.memory_limit))
            d = (opened or [rows])[0].layout.n_features
            if rows.layout.n_features != d:
                raise DataError(
                    f"{each.data} has {rows.layout.n_features} features, but {data[0].data} "
                    f"has {d}."
                )
            units = next((r.layout.units for r in opened if r.layout.units), None)
            refuse_other_units(rows.layout.units, units, rows.layout.names, f"{each.data} has")
            opened.append(rows)
        given = [str(each.data) for each in data]
        refuse_repeated_files(given, opened)
        return cls(tuple(given), tuple(opened))

    def record(self, options: StreamOptions) -> Record:
        """The record of a stream, by which a checkpoint knows it."""
        known = {n: v for n, v in options.recorded.items() if n != "refine"}  # after the stream
        asked = plain(known) | {"blocks": digest_of(tuple(r.plan for r in self.rows))}
        return Record("stream", asked, self.fingerprints, versions=versions())

    @property
    def fingerprints(self) -> dict[str, Any]:
        """The paths, and the fingerprint of each store."""
        found = {n: fingerprint(rows) for n, rows in zip(self.names, self.rows, strict=True)}
        return {"stores": list(self.names), **found}

    @property
    def seen(self) -> SeenData:
        """The records of all stores, as of a stream that has read them."""
        found, position = SeenData(), 0
        for name, rows in zip(self.names, self.rows, strict=True):
            found = found.with_read(rows, name, position)
            position += rows.layout.n_rows
        return found

    def first_state(self, options: StreamOptions) -> StreamState:
        """The state before the first read."""
        own = self.rows[0].layout
        return StreamState(options.first_summary(own.n_features, own.names, own.units))


def streaming(stores: Stores, state: StreamState) -> Iterator[StreamState]:
    """Read the stores; yield the state after every wave of a store.

    Raises
    ------
    NonFiniteError, DataError
        For rows that no summary can use.
    """
    with same_processes():
        for number in range(state.n_stores, len(stores.rows)):
            rows, question = stores.rows[number], Summarise.after(state.summary)
            for folded in folding(question, rows, wave_size(), state.folded):
                with _naming(stores.names[number]):
                    for node in (node for level in folded.levels for node in level):
                        node.counted.check_values()
                state = replace(state, folded=folded)
                if folded.n_blocks < rows.n_blocks:
                    yield state
            state = StreamState(state.so_far, number + 1)
            yield state


@contextmanager
def _naming(store: object) -> Iterator[None]:
    """Add the name of a store to the errors of its data."""
    try:
        yield
    except DataError as error:
        if str(store) in str(error):
            raise
        raise DataError(f"{store}:", python=str(error), command=error.for_command) from error


def stream(
    stores: Stores,
    options: StreamOptions,
    saves: Saves,
    watch: Callable[[StreamState], object],
) -> StreamState:
    """Read the stores from the last saved state on, and return the state after the last.

    Parameters
    ----------
    stores : Stores
    options : StreamOptions
    saves : Saves
    watch : called with the state after every wave

    Raises
    ------
    NonFiniteError, DataError
        For rows that no summary can use, or if no row has a positive weight.
    DataChangedError
        If the data changed during the read.
    """
    first = state = saves.last or stores.first_state(options)
    before = stores.fingerprints
    for state in streaming(stores, first):
        saves.on_state(state)
        watch(state)
    if stores.fingerprints != before:
        remedy = "name another checkpoint and run" if saves.identity else "run"
        raise DataChangedError(f"the data changed while they were read: {remedy} it again.")
    saves.save()
    state.summary.counted.check()
    return state


def stream_model(
    stores: Stores, summary: Summary, parameters: Mapping[str, Any], identity: str
) -> Model:
    """Return the model of a summary of a part of the stores, which is not recorded."""
    layout = stores.rows[0].layout
    return Model(
        parameters=dict(parameters),
        features=list(layout.names or ()),
        units=list(layout.units or ()),
        fit=identity,
        unrecorded=stores.names,
        **solved(summary),
    )
