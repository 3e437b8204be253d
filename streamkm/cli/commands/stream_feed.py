"""``streamkm stream`` of standard input, or of files that arrive in a folder."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
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
from streamkm.cli.parse.stream import ONLY
from streamkm.cli.scheduler import CLUSTER, scheduled
from streamkm.cli.translate import data_options
from streamkm.cli.ui.say import say_aside
from streamkm.errors import DataError, RunAgain, StreamkmError
from streamkm.fitting.first import check_enough
from streamkm.ingesting.ahead import Interruptible, ahead
from streamkm.ingesting.lines import NAME
from streamkm.ingesting.pipes import PipeOptions, arriving
from streamkm.ingesting.registry import KindOptions, dtype_of
from streamkm.ingesting.watching import Watched
from streamkm.models.model import Model
from streamkm.outputs import alone, local
from streamkm.progress import Progress
from streamkm.runs.feeding import Feeding, FeedState, Folding, feed_model, feed_record
from streamkm.runs.feeds import Feed, skipping
from streamkm.runs.stream_saves import Saves, saving
from streamkm.showing.bar import ProgressBar
from streamkm.streaming import Summary

_WATCH_EVERY = 10.0  # seconds between two listings


@dataclass(frozen=True)
class _Source:
    """Where the rows of a feed come from.

    Parameters
    ----------
    watched : path or URL of a folder, or None for standard input
    pipe : PipeOptions
    given : options of the command
    """

    watched: str | None
    pipe: PipeOptions
    given: Mapping[str, Any]

    @classmethod
    def from_options(cls, data: Sequence[str], given: Mapping[str, Any]) -> _Source:
        """Check the options of a feed.

        Raises
        ------
        click.UsageError
            If options exclude each other.
        """
        watched = given["watch"]
        if list(data) != ([] if watched else ["-"]):
            raise click.UsageError("standard input (-), --watch and stores exclude each other.")
        others = ONLY["-"] if watched else (*ONLY["--watch"], "variable")
        for name in (*others, "feature_dims", "weights", "mask", "refine"):
            if given[name] not in (None, ()):
                flag = f"--{name.replace('_', '-').replace('dims', 'dim')}"
                raise click.UsageError(f"{flag} is not for {'--watch' if watched else '-'}.")
        if not watched and given["checkpoint"] is not None and given["skip_rows"] is None:
            raise click.UsageError(
                "--checkpoint of standard input needs --skip-rows seen if a run that resumes gets "
                "all rows again, or --skip-rows 0 if its input continues after those before."
            )
        named = given["columns"]
        columns = None if named is None else [name.strip() for name in named.split(",")]
        kind = KindOptions(columns, given["variable"], given["no_header"], given["delimiter"])
        return cls(watched, PipeOptions(given["format"], dtype_of(given["dtype"]), kind), given)

    @property
    def name(self) -> str:
        """The name of the feed in messages."""
        return self.watched or NAME

    @property
    def asked(self) -> dict[str, Any]:
        """Options that determine the result."""
        given = {name: self.given[name] for name in ("batch", "dtype")}
        return {**given, **asdict(self.pipe.kind)}

    def feed(self, state: FeedState | None, stack: ExitStack) -> Feed:
        """Return the feed that continues after a state; the stack closes it."""
        idle = self.given["idle"]
        if self.watched is not None:
            folded = {} if state is None else dict(state.files)
            features = () if state is None else state.features
            asked = self.given["watch_every"]
            interval = _WATCH_EVERY if asked is None else asked
            return Watched(self.watched, self.pipe, interval, idle, folded, features)
        if sys.stdin.buffer.isatty():
            raise DataError(f"{NAME} is a terminal: pipe rows into the command.")
        # Without its buffer, which may have bytes that select() does not see.
        raw = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
        pipe = self.pipe
        if state is not None and state.features:  # columns may be in another order now
            pipe = replace(pipe, kind=replace(pipe.kind, columns=list(state.features)))
        feed = ahead(lambda ended: arriving(Interruptible(raw, ended), pipe), idle)
        stack.callback(feed.close)
        if self.given["skip_rows"] != "seen":
            return skipping(feed, self.given["skip_rows"] or 0, None)
        return feed if state is None else skipping(feed, state.n_rows, state.checksum)


def run(data: tuple[str, ...], output: str, overwrite: bool, given: Mapping[str, Any]) -> None:
    """Read the feed, write the model, and print the result."""
    source, options = _Source.from_options(data, given), options_of(given)
    watched = [] if source.watched is None else [source.watched]
    replaces = check_output(output, watched, overwrite, given)
    stored = {**parameters_of([], options, given), "feed": source.name}
    folding = Folding(options, data_options("", given), given["batch"])
    with ExitStack() as stack:
        stack.enter_context(scheduled(*(given[name] for name in CLUSTER)))
        stack.enter_context(alone(local(output)))
        record = feed_record(source.name, options, source.asked, given["nodata"])
        saves = stack.enter_context(saving(checkpoint_of(given), record))
        before: FeedState | None = saves.last
        if before is not None:
            say_aside(f"resuming from {given['checkpoint']}, after {before.n_rows:,} rows")
        feeding = Feeding(source.feed(before, stack), folding, before)

        def model_of(summary: Summary) -> Model:
            features = () if feeding.state is None else feeding.state.features
            return feed_model(features, stored, saves.identity, summary)

        def save() -> bool:
            saves.last = feeding.saved
            return saves.save()

        writing = Writing(local(output), model_of, given["every"], replaces, save)
        bar = stack.enter_context(ProgressBar())
        try:
            _follow(feeding, saves, writing, bar, source.name)
            summary = feeding.so_far
            if summary is None:
                raise DataError(f"{source.name} has no rows.")
            summary.counted.check()
            check_enough(summary.counted.rows, summary.least_rows)
            save()
            model = writing.write(summary)
        except KeyboardInterrupt as stopped:
            _stop(stopped, feeding, save, writing, given)
            raise
        except StreamkmError:
            # Rows of the next batch may have caused it, and would do so again.
            if feeding.saved is not None and feeding.state is not before:
                saves.last = feeding.saved.without_pending
                saves.save()
            raise
    show_result(summary, model, output, given["as_json"])


def _follow(feeding: Feeding, saves: Saves, writing: Writing, bar: ProgressBar, name: str) -> None:
    """Fold the feed to its end; save states and write models when they are due."""
    shown = 0.0
    for state in feeding:
        if saves.due:
            saves.last = feeding.saved
            saves.save()
        if state.n_rows >= state.summary.least_rows:
            writing.on_state(feeding)
        if time.monotonic() - shown > 0.2:
            shown = time.monotonic()
            bar.show(Progress(name, state.n_rows, None, "rows"))


def _stop(
    stopped: KeyboardInterrupt,
    feeding: Feeding,
    save: Callable[[], bool],
    writing: Writing,
    given: Mapping[str, Any],
) -> None:
    """Save the state of an interrupted run and write the model of the rows so far.

    Raises
    ------
    RunAgain
        If the state is saved.
    CheckpointError
        If it could not be saved.
    """
    is_saved, state = save(), feeding.saved
    if state is None:
        return
    summary, its_model = feeding.folding.flushed(state).summary, ""
    if summary.counted.weighted >= summary.least_rows:
        writing.write(summary)
        its_model = f", and {writing.target} is the model of these"
    if not is_saved:
        refuse_unsaved(stopped, given)
        return
    raise RunAgain(
        f"{stopped_by(stopped)} after {state.n_rows:,} rows{its_model}; run the same command to "
        "resume.",
        given["again_code"],
    ) from stopped
