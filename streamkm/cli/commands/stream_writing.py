"""What ``streamkm stream`` writes, for stores and for feeds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click

from streamkm.cli.common import dimensions, stopped_by
from streamkm.cli.files import may_replace
from streamkm.cli.signals import fit_in
from streamkm.cli.translate import stored_paths
from streamkm.cli.ui.facts import show
from streamkm.errors import CheckpointError
from streamkm.models.model import Model
from streamkm.models.storage import load_model, save_model
from streamkm.outputs import MODEL, CheckpointOutput, Store, check_outputs
from streamkm.runs.options import CheckpointOptions
from streamkm.runs.stream import StreamOptions
from streamkm.runs.stream_frozen import FrozenModel
from streamkm.runs.stream_seen import SeenData
from streamkm.safe_text import without_password
from streamkm.streaming import Summary


def options_of(given: Mapping[str, Any]) -> StreamOptions:
    """Return the options of the stream."""
    known = {"summary_size": given["summary_size"] or "auto", "refine": given["refine"] or 0}
    return StreamOptions.from_parameters({**given, **known, "frozen": _frozen(given)})


def _frozen(given: Mapping[str, Any]) -> FrozenModel | None:
    path, radius = given["frozen"], given["radius"]
    if path is None:
        if radius is not None:
            raise click.UsageError("--radius is for --frozen.")
        return None
    return FrozenModel.from_model(load_model(path), "auto" if radius is None else radius)


def check_output(
    output: str, inputs: Sequence[Any], overwrite: bool, given: Mapping[str, Any]
) -> bool:
    """Check the outputs; return whether the model may replace an existing one."""
    checkpoint = given["checkpoint"]
    inputs = inputs if given["frozen"] is None else [*inputs, given["frozen"]]
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
    stored |= {name: given[name] for name in ("random_state", "variable")}
    stored |= stored_paths({name: given[name] for name in ("weights", "mask", "frozen")})
    stored |= {} if options.frozen is None else {"radius": options.frozen.radius}
    stored |= {"half_life": options.half_life, "window": options.window}
    stored |= {
        "data": [without_password(each) for each in data],
        "feature_dim": list(dimensions(given["feature_dims"]) or ()),
    }
    return stored


def checkpoint_of(given: Mapping[str, Any]) -> CheckpointOptions | None:
    """Return where and how often to save, if at all."""
    checkpoint, seconds = given["checkpoint"], given["checkpoint_every"]
    return None if checkpoint is None else CheckpointOptions(checkpoint, seconds)


def refuse_unsaved(stopped: KeyboardInterrupt, given: Mapping[str, Any]) -> None:
    """Report that the state of a stopped run with a checkpoint could not be saved.

    Raises
    ------
    CheckpointError
    """
    if given["checkpoint"] is not None:
        raise CheckpointError(
            f"{stopped_by(stopped)}; the last good checkpoint remains."
        ) from stopped


def show_result(summary: Summary, model: Model, output: str, as_json: bool) -> None:
    """Print the result."""
    facts = {
        "rows": summary.counted.rows,
        "rows_of_the_summary": len(summary.draws),
        "inertia": model.inertia,
        "model": output,
    }
    frozen = summary.frozen.centroids
    new = {"new_clusters": len(model.centroids) - len(frozen)} if len(frozen) else {}
    show(facts | new, as_json)


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
        if summary is not self._written and summary.has_model:
            if not self.overwrite:
                self.save()
            self.write(summary)
        self.last = time.monotonic()

    def write(self, summary: Summary, seen: SeenData | None = None) -> Model:
        """Write the model, which appears under its name when it is complete.

        Without `seen`, what was read of the stores, it cannot be updated with these.
        """
        model = self.model_of(summary)
        if seen is not None:
            model = replace(model, **seen.fields)
        save_model(self.target, model, self.overwrite)
        self.overwrite, self._written = True, summary
        return model
