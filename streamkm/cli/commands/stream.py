"""``streamkm stream``."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click

from streamkm.cli.common import dimensions
from streamkm.cli.files import may_replace, refuse_repeated
from streamkm.cli.parse.stream import FEED_OPTIONS
from streamkm.cli.scheduler import CLUSTER, scheduled
from streamkm.cli.signals import fit_in
from streamkm.cli.translate import data_options
from streamkm.cli.ui.facts import show
from streamkm.cli.ui.refining import refined_with_bar
from streamkm.cli.ui.say import say_aside
from streamkm.errors import DataError, RunAgain
from streamkm.models.model import Model
from streamkm.models.storage import save_model
from streamkm.outputs import MODEL, CheckpointOutput, Store, alone, check_outputs, local
from streamkm.rows import Rows, Seen
from streamkm.runs.options import CheckpointOptions
from streamkm.runs.stream import StreamOptions
from streamkm.runs.stream_stores import Saves, Stores, StreamState, saving, stream, stream_model
from streamkm.showing.reads import ReadProgress
from streamkm.streaming import Summary


def run(data: tuple[str, ...], output: str, *, overwrite: bool, **given: Any) -> None:
    """Read the stores, write the model, and print the result."""
    if given["watch"] is not None or "-" in data:
        from streamkm.cli.commands.stream_feed import run as run_feed  # which uses this module

        run_feed(data, output, overwrite, given)
        return
    given = store_options(data, given)
    refuse_repeated(data)
    options, checkpoint, refine = options_of(given), given["checkpoint"], given["refine"] or 0
    if refine and len(data) > 1:
        raise DataError("--refine reads all rows as one array, so it needs a single store.")
    replaces = check_output(output, checkpoint, data, overwrite)
    stored = parameters_of(data, options, given)
    saved = checkpoint_of(given)
    with ExitStack() as stack:
        stack.enter_context(scheduled(*(given[name] for name in CLUSTER)))
        stores = Stores.open([data_options(path, given) for path in data], options)
        stack.enter_context(alone(local(output)))
        saves = stack.enter_context(saving(saved, stores, stores.record(options)))
        if saves.last is not None:
            say_aside(f"resuming from {checkpoint}, {_place(saves.last, stores)}")

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
                model = refined_with_bar(model, data_options(data[0], given), refine)
                save_model(local(output), model, overwrite=True)
        except KeyboardInterrupt as stopped:
            _stop(stopped, saves, stores, given["again_code"])
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
        raise click.UsageError("give Zarr arrays, - for standard input, or --watch.")
    return given


def options_of(given: Mapping[str, Any]) -> StreamOptions:
    """Return the options of the stream."""
    size = given["summary_size"] or "auto"
    refine = given["refine"] or 0
    return StreamOptions.from_parameters({**given, "summary_size": size, "refine": refine})


def check_output(
    output: str, checkpoint: str | None, inputs: Sequence[str], overwrite: bool
) -> bool:
    """Check the outputs; return whether the model may replace an existing one."""
    replaces = may_replace(output, fit_in(checkpoint), overwrite)
    beside = [] if checkpoint is None else [CheckpointOutput(checkpoint)]
    check_outputs([Store(output, MODEL, replaces), *beside], inputs)
    return replaces


def parameters_of(
    data: Sequence[str], options: StreamOptions, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the parameters that the model stores."""
    size = given["summary_size"] or "auto"
    stored = {"n_clusters": options.n_clusters, "summary_size": size, "nodata": given["nodata"]}
    stored |= {"random_state": given["random_state"], "variable": given["variable"]}
    stored |= {"half_life": options.half_life, "window": options.window}
    stored |= {"data": list(data), "feature_dim": list(dimensions(given["feature_dims"]) or ())}
    return stored


def checkpoint_of(given: Mapping[str, Any]) -> CheckpointOptions | None:
    """Return where and how often to save, if at all."""
    checkpoint, seconds = given["checkpoint"], given["checkpoint_every"]
    return None if checkpoint is None else CheckpointOptions(checkpoint, seconds)


def show_result(summary: Summary, model: Model, output: str, as_json: bool) -> None:
    """Print the result."""
    facts = {
        "rows": summary.counted.rows,
        "rows_of_the_summary": len(summary.draws),
        "inertia": model.inertia,
        "model": output,
    }
    show(facts, as_json)


def _place(state: StreamState, stores: Stores) -> str:
    """Where a stream is, in words."""
    n, total = state.n_stores, len(stores.rows)
    if n == total:
        return "all data read"
    return f"block {state.n_blocks:,} of {stores.rows[n].n_blocks:,} of {stores.names[n]}"


def _stop(stopped: KeyboardInterrupt, saves: Saves, stores: Stores, code: int) -> None:
    """Save the state of an interrupted run.

    Raises
    ------
    RunAgain
        If the state is saved.
    """
    if saves.last is not None and saves.save():
        where = _place(saves.last, stores)
        raise RunAgain(f"stopped, {where}; run the same command to resume.", code) from stopped


@dataclass
class Writing:
    """Writes the model, at intervals if `every` is given.

    Parameters
    ----------
    target : Path
    model_of : callable
        Returns the model of a summary.
    every : float or None, seconds
    overwrite : bool
        Whether the first model may replace what is there.
    save : callable
        Saves the state, by which a later run knows that it may replace the model.
    """

    target: Path
    model_of: Callable[[Summary], Model]
    every: float | None
    overwrite: bool
    save: Callable[[], object]
    last: float = field(default_factory=time.monotonic)
    _written: Summary | None = None

    def on_state(self, state: Any) -> None:
        """Write the model of the rows so far if it is due and there are some."""
        if self.every is None or time.monotonic() - self.last < self.every:
            return
        summary = state.so_far
        if summary is not self._written and len(summary.remembered().draws):
            if not self.overwrite:
                self.save()
            self.write(summary)
        self.last = time.monotonic()

    def write(self, summary: Summary, seen: tuple[Seen, ...] = ()) -> Model:
        """Write the model, which appears under its name when it is complete.

        Without `seen`, what was read of the stores, the model cannot be updated.
        """
        model = replace(self.model_of(summary), seen=seen)
        save_model(self.target, model, self.overwrite)
        self.overwrite, self._written = True, summary
        return model


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
