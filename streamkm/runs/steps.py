"""Lloyd's iterations one by one, as states that the caller requests."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from streamkm.engine import caching
from streamkm.fitting import FitState, fit, with_scaling
from streamkm.runs.fit import PreparedFit, begin
from streamkm.runs.fit_options import FitOptions
from streamkm.runs.running import ProgressCallbacks
from streamkm.updates import CountedUpdate


@dataclass(frozen=True)
class StepOptions(FitOptions):
    """Options of a fit with `algorithm='lloyd'` whose states have the sizes of the clusters."""

    @property
    def update(self) -> CountedUpdate:
        return CountedUpdate(self.rules, relocate=self.empty_cluster == "relocate", settles=False)


def steps(prepared: PreparedFit) -> Generator[FitState]:
    """Yield the first state of a fit, and its state after every read or step without a read.

    Blocks that fit in memory are cached until the generator ends or is closed.
    """
    first = begin(prepared, ProgressCallbacks())
    yield first
    with caching(with_scaling(prepared.rows, first.scaling)) as rows:
        for state in fit(rows, first):
            if state.folded is None:
                yield state
