"""Streams: rows are read once and summarised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from streamkm.engine import folding, last, memory_without_limit, threads, wave_size
from streamkm.errors import ParameterError
from streamkm.models.model import Model
from streamkm.numbers import real_number, whole_number
from streamkm.rows import Budget, Rows
from streamkm.runs.options import draw_seed
from streamkm.runs.stream_frozen import FrozenModel, refuse_few
from streamkm.streaming import Drift, Forgetting, Solution, Summarise, Summary, solve, summary_rows
from streamkm.versions import versions

_BESIDE_A_ROW = 5 * 8  # draw, bound, weight, number, and a rate while the summary is reduced
_INPUTS = 8  # summaries that are combined at once


@dataclass(frozen=True)
class StreamOptions:
    """Options of a stream; `StreamingKMeans` describes each of them.

    Parameters
    ----------
    n_clusters : int
    summary_size : int or None
        None for 'auto'.
    random_state : int or RandomState
        A RandomState is used only when a stream begins.
    half_life : float or None
    window : int or None
    refine : int
        Iterations that read all rows again.
    frozen : FrozenModel or None
        Used only when a stream begins.
    """

    n_clusters: int = 8
    summary_size: int | None = None
    random_state: int | np.random.RandomState = 0
    half_life: float | None = None
    window: int | None = None
    refine: int = 0
    frozen: FrozenModel | None = None

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """Check parameters of these names; all other names are ignored.

        Raises
        ------
        ParameterError
            If a number is not whole or out of bounds, or two options exclude each other.
        """
        k = whole_number("n_clusters", parameters["n_clusters"], 1)
        size = parameters["summary_size"]
        auto = isinstance(size, str) and size == "auto"
        size = None if auto else whole_number("summary_size", size, k + 1)
        half_life, window = parameters["half_life"], parameters["window"]
        if half_life is not None and window is not None:
            raise ParameterError(
                f"half_life={half_life!r} and window={window!r} exclude each other: give one."
            )
        half_life = None if half_life is None else real_number("half_life", half_life, above=True)
        window = None if window is None else whole_number("window", window, k)
        refine = whole_number("refine", parameters["refine"], 0)
        if refine and (half_life is not None or window is not None):
            raise ParameterError(
                f"refine={refine} gives all rows the same weight, so it excludes half_life and "
                "window: leave it out."
            )
        frozen = parameters.get("frozen")
        options = cls(k, size, parameters["random_state"], half_life, window, refine, frozen)
        if frozen is not None:
            options._check_frozen(frozen)
        return options

    def _check_frozen(self, frozen: FrozenModel) -> None:
        for name in ("half_life", "window", "refine"):
            if getattr(self, name):
                raise ParameterError(
                    f"frozen excludes {name}={getattr(self, name)!r}: the rows near frozen "
                    "centroids are only counted, all with their full weight. Leave one out."
                )
        refuse_few(self.n_clusters, len(frozen.centroids))

    @classmethod
    def of_summary(cls, summary: Summary) -> Self:
        """Return the options of the stream of a summary."""
        return cls(summary.n_clusters, summary.most, summary.seed, **vars(summary.forgetting))

    @property
    def recorded(self) -> dict[str, Any]:
        """The options as a checkpoint compares them."""
        own = {name: value for name, value in vars(self).items() if name != "frozen"}
        return own if self.frozen is None else own | self.frozen.recorded

    @property
    def forgetting(self) -> Forgetting:
        """How rows lose weight."""
        return Forgetting(self.half_life, self.window)

    def first_summary(
        self,
        n_features: int,
        names: Sequence[str] | None = None,
        units: Sequence[str] | None = None,
    ) -> Summary:
        """Return the summary of no rows of these features."""
        most = self.summary_size or summary_rows(self.n_clusters, n_features)
        none = Summary.none(most, self.n_clusters, draw_seed(self.random_state))
        none = replace(none, values=np.empty((0, n_features)), forgetting=self.forgetting)
        if self.frozen is None:
            return none
        return replace(none, frozen=self.frozen.for_data(n_features, names, units))

    def budget(self, memory_limit: int | None) -> StreamBudget:
        """The memory that a read needs."""
        k = self.n_clusters
        return StreamBudget(
            memory_limit,
            threads(),
            k,
            largest=k,
            size=self.summary_size,
            machine=memory_without_limit(),
        )


@dataclass(frozen=True)
class StreamBudget(Budget):
    """The budget of a read that summarises rows.

    Parameters
    ----------
    size : int or None, rows of a summary after a reduction
    """

    size: int | None = None

    @property
    def sample_nbytes(self) -> int:
        """A third of the bytes of the summaries, because `Budget` counts samples three times."""
        most = self.size or summary_rows(self.clusters, max(1, self.n_features))
        summaries = (_INPUTS + self.threads) * 2 * most
        return summaries * (8 * self.n_features + _BESIDE_A_ROW) // 3


def absorb(summary: Summary, rows: Rows, blocks: range | None = None) -> Summary:
    """Return the summary of a stream that continues with more rows, which are read once.

    Parameters
    ----------
    summary : Summary
    rows : Rows
    blocks : range of whole parts of the first row axis, whose blocks are read if all before were
        read; None for all blocks

    Raises
    ------
    NonFiniteError, DataError
        For rows that no summary can use.
    """
    question = Summarise.after(summary)
    if blocks is not None:  # the first of the rows is at an earlier place of the stream
        before = sum(map(rows.plan.n_rows, range(blocks.start)))
        question = replace(question, first=summary.length - before)
    found = last(folding(question, rows, wave_size(), blocks=blocks)).total()
    found.counted.check_values()
    return Summary.combine([summary, found])


def solved(summary: Summary, before: Solution | None = None) -> dict[str, Any]:
    """Return the fields of a `Model` that follow from a summary, and from an earlier solution."""
    solution = solve(summary, before)
    return {
        "centroids": solution.centroids,
        "counts": solution.counts,
        "inertia": solution.inertia,
        "versions": versions(),
        "summary": summary.stored,
        "names": [],
        "drift": {} if solution.drift is None else vars(solution.drift),
    }


def solution_of(model: Model) -> Solution:
    """Return the stored solution of the model of a stream."""
    assert model.counts is not None
    drift = Drift(**model.drift) if model.drift else None
    return Solution(model.centroids, model.counts, model.inertia, drift)


def continued(summary: Summary, options: StreamOptions) -> Summary:
    """Return the summary for the options of the next read; only the number of clusters may change.

    Raises
    ------
    ParameterError
        If rows are to be forgotten in another way, because some are forgotten already.
    """
    for name, before in vars(summary.forgetting).items():
        if getattr(options, name) != before:
            raise ParameterError(
                f"{name}={getattr(options, name)!r}, but the stream began with {name}={before!r}: "
                f"keep it, or begin a new stream by `fit`."
            )
    if summary.frozen.is_active:
        refuse_few(options.n_clusters, len(summary.frozen.centroids))
    return replace(summary, n_clusters=options.n_clusters)
