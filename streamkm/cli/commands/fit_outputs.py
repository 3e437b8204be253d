"""Outputs of ``streamkm fit``, and what a model stores of its options."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import partial
from typing import Any

from streamkm.cli.common import dimensions
from streamkm.cli.files import may_replace
from streamkm.cli.signals import fit_in
from streamkm.cli.translate import stored_paths
from streamkm.cli.ui.say import say_aside
from streamkm.fitting import Reads, same_data
from streamkm.models.model import Model
from streamkm.models.storage import load_model
from streamkm.outputs import (
    MODEL,
    CheckpointOutput,
    LabelFile,
    Store,
    fit_of,
    label_output,
    local,
    plain,
)
from streamkm.rows import Budget, Rows
from streamkm.runs.fit import LabelWriter
from streamkm.runs.fit_labels import fit_labels, refuse_labels
from streamkm.runs.fit_options import FitOptions
from streamkm.runs.options import DataOptions


@dataclass(frozen=True)
class Outputs:
    """Outputs of a fit, and those that an earlier run of the same fit wrote.

    Parameters
    ----------
    model : path of the model
    labels : path of the labels, or None
    checkpoint : path or URL of the checkpoint, or None
    identity : of the fit in the checkpoint, or empty
    over_model, over_labels : whether a model or labels there may be replaced
    """

    model: str
    labels: str | None
    checkpoint: str | None
    identity: str
    over_model: bool
    over_labels: bool

    @classmethod
    def from_paths(
        cls, model: str, labels: str | None, checkpoint: str | None, overwrite: bool
    ) -> Outputs:
        """Recover outputs of a killed run, and find those that an earlier run of this fit wrote."""
        paths = [model, model if labels is None else labels]
        identity = fit_in(checkpoint)
        over = [may_replace(path, identity, overwrite) for path in paths]
        return cls(model, labels, checkpoint, identity, *over)

    @property
    def stores(self) -> list[Store | LabelFile | CheckpointOutput | None]:
        """The outputs that are checked before the run."""
        return [
            Store(self.model, MODEL, self.over_model),
            None if self.labels is None else label_output(self.labels, self.over_labels),
            None if self.checkpoint is None else CheckpointOutput(self.checkpoint),
        ]

    def finished_model(self, source: DataOptions, parameters: dict[str, Any]) -> Model | None:
        """Return the model of the same fit if it is done, or None.

        Raises
        ------
        DataChangedError
            If the checkpoint belongs to other data.
        """
        paths = [self.model, self.model if self.labels is None else self.labels]
        if not self.identity or any(fit_of(local(path)) != self.identity for path in paths):
            return None
        same_data(self.checkpoint, source.open(Budget()))
        model = load_model(self.model)
        return model if plain(model.parameters) == plain(parameters) else None

    def refuse_labels(self, rows: Rows, k: int) -> None:
        """Raise an error if the file of labels cannot hold those of k clusters."""
        if self.labels is not None:
            refuse_labels(local(self.labels), rows, k)

    def label_writer(self, seconds: float) -> LabelWriter | None:
        """Return the function that writes the labels, or None if none are requested."""
        if self.labels is None:
            return None
        target = local(self.labels)
        return partial(fit_labels, target, self.over_labels, seconds, message=say_aside)


def stored_parameters(data: str, given: dict[str, Any], options: FitOptions) -> dict[str, Any]:
    """The options that the model stores."""
    names = dimensions(given["feature_dims"])
    where = {name: given[name] for name in ("variable", "nodata")}
    where |= stored_paths({"data": data, "weights": given["weights"], "mask": given["mask"]})
    return vars(options) | where | {"feature_dim": list(names or ())}


def predict_command(output: str, data: str, labels: str, given: dict[str, Any]) -> str:
    """The command that writes the labels of a stored model."""
    words = ["streamkm", "predict", output, data, "-o", labels]
    words += [word for name in given["feature_dims"] for word in ("--feature-dim", name)]
    variables = given["variable"] or []
    for name in [variables] if isinstance(variables, str) else variables:
        words += ["--variable", name]
    words += [] if given["mask"] is None else ["--mask", given["mask"]]
    words += [] if given["missing"] is None else ["--missing", given["missing"]]
    limit = given["memory_limit"]
    words += [] if limit is None else ["--memory-limit", str(limit)]
    words += ["--overwrite"] if local(labels).exists() else []
    return shlex.join(words)


def by_phase(reads: Reads, unit: str) -> dict[str, float]:
    """The reads or bytes of each phase, for printing."""
    return {f"{unit}_{phase}": cost[unit] for phase, cost in reads.by_phase.items()}
