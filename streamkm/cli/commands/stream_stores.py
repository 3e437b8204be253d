"""``streamkm stream`` of stores, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import click

from streamkm.cli.commands.stream_writing import (
    Writing,
    check_output,
    checkpoint_of,
    options_of,
    parameters_of,
    refuse_unsaved,
    show_result,
)
from streamkm.cli.common import stopped_by
from streamkm.cli.files import refuse_repeated
from streamkm.cli.parse.stream import FEED_OPTIONS
from streamkm.cli.scheduler import CLUSTER, scheduled
from streamkm.cli.translate import opening
from streamkm.cli.ui.refining import refined_with_bar
from streamkm.cli.ui.say import say_aside
from streamkm.errors import DataError, RunAgain
from streamkm.models.model import Model
from streamkm.models.storage import save_model
from streamkm.outputs import alone, local
from streamkm.rows import Rows
from streamkm.runs.stream_saves import Saves, saving
from streamkm.runs.stream_stores import Stores, StreamState, stream, stream_model
from streamkm.showing.reads import ReadProgress
from streamkm.streaming import Summary


def run(data: tuple[str, ...], output: str, overwrite: bool, given: dict[str, Any]) -> None:
    """Read the stores, write the model, and print the result."""
    given = store_options(data, given)
    refuse_repeated(data)
    options, refine = options_of(given), given["refine"] or 0
    if refine and len(data) > 1:
        raise DataError("--refine reads all rows as one array, so it needs a single store.")
    sources = [opening(path, given) for path in data]
    beside = [array for s in sources for array in (s.sample_weight, s.mask)]
    replaces = check_output(output, [*data, *beside], overwrite, given)
    stored = parameters_of(data, options, given)
    saved = checkpoint_of(given)
    with ExitStack() as stack:
        stack.enter_context(scheduled(*(given[name] for name in CLUSTER)))
        stores = Stores.open(sources, options)
        stack.enter_context(alone(local(output)))
        saves = stack.enter_context(saving(saved, stores.record(options), stores.rows))
        if saves.last is not None:
            say_aside(f"resuming from {given['checkpoint']}, {_place(saves.last, stores)}")

        def model_of(summary: Summary) -> Model:
            return stream_model(stores, summary, stored, saves.identity)

        writing = Writing(local(output), model_of, given["every"], replaces, saves.save)
        bar = _Bar(stores, stack)
        bar.show(saves.last)

        def watch(state: StreamState) -> None:
            writing.on_state(state)
            bar.show(state)

        try:
            state = stream(stores, options, saves, watch)
            model = writing.write(state.summary, stores.seen)
            if refine:
                model = refined_with_bar(model, sources[0], refine)
                save_model(local(output), model, overwrite=True)
        except KeyboardInterrupt as stopped:
            _stop(stopped, saves, stores, given)
            raise
    show_result(state.summary, model, output, given["as_json"])


def store_options(data: Sequence[str], given: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a stream of stores, without those of feeds, which are refused.

    Raises
    ------
    click.UsageError
        For an option of a feed, or without DATA.
    """
    for name, value in given.items():
        if name in FEED_OPTIONS and value not in (None, False):
            flag = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{flag} is for feeds: DATA is - (standard input), or --watch.")
    if not data:
        raise click.UsageError("give stores or files, - for standard input, or --watch.")
    return given


def _place(state: StreamState, stores: Stores) -> str:
    """Where a stream is, in words."""
    n, total = state.n_stores, len(stores.rows)
    if n == total:
        return "all data read"
    return f"block {state.n_blocks:,} of {stores.rows[n].n_blocks:,} of {stores.names[n]}"


def _stop(
    stopped: KeyboardInterrupt, saves: Saves, stores: Stores, given: Mapping[str, Any]
) -> None:
    """Save the state of an interrupted run.

    Raises
    ------
    RunAgain
        If the state is saved.
    CheckpointError
        If it could not be saved.
    """
    if saves.last is None:
        return
    if not saves.save():
        refuse_unsaved(stopped, given)
        return
    raise RunAgain(
        f"{stopped_by(stopped)}, {_place(saves.last, stores)}; run the same command to resume.",
        given["again_code"],
    ) from stopped


class _Bar:
    """The progress of the read of each store.

    Parameters
    ----------
    stores : Stores
    stack : ExitStack that ends the last bar
    """

    def __init__(self, stores: Stores, stack: ExitStack) -> None:
        self._stores, self._own = stores, stack.enter_context(ExitStack())
        self._number, self._bar = -1, None

    _bar: ReadProgress | None

    def show(self, state: StreamState | None) -> None:
        """Show a state; None is that before the first read."""
        number, done = (0, 0) if state is None else (state.n_stores, state.n_blocks)
        if number != self._number:
            self._own.close()
            self._number, self._bar = number, None
            if number < len(self._stores.rows):
                rows: Rows = self._stores.rows[number]
                self._bar = self._own.enter_context(ReadProgress(rows))
                self._bar.next_read(self._stores.names[number])
        if self._bar is not None:
            self._bar.advance_to(done)
