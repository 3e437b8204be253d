"""Options of mini-batch k-means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from streamkm.numbers import real_number, whole_number
from streamkm.rows import Budget, Rows, in_batches
from streamkm.runs.fit_options import FitOptions
from streamkm.updates import Batches, MiniBatchUpdate, StopRules
from streamkm.warn import warn


@dataclass(frozen=True)
class MiniBatchOptions(FitOptions):
    """Options of mini-batch k-means; `MiniBatchKMeans` describes each of them.

    Parameters
    ----------
    batch_size : int or None
        None if all rows are one batch, from which the seeding draws as well.
    max_no_improvement : int or None
    init_size : int or None
    reassignment_ratio : float
    compute_labels : bool
    """

    batch_size: int | None = 1024
    max_no_improvement: int | None = 10
    init_size: int | None = None
    reassignment_ratio: float = 0.01
    compute_labels: bool = True

    auto_restarts: ClassVar[int] = 3

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        options = super().from_parameters(parameters)
        limit, size, k = options.max_no_improvement, options.init_size, options.n_clusters
        if size is not None and whole_number("init_size", size, 1) < k:
            warn(
                f"init_size={size} should be larger than n_clusters={k}. Setting it to "
                "min(3*n_clusters, n_samples)",
                RuntimeWarning,
            )
            size = 3 * k
        return replace(
            options,
            batch_size=whole_number("batch_size", options.batch_size, 1),
            max_no_improvement=None if limit is None else whole_number("max_no_improvement", limit),
            init_size=size,
            reassignment_ratio=real_number("reassignment_ratio", options.reassignment_ratio),
        )

    @property
    def labels_data(self) -> bool:
        return self.compute_labels

    @property
    def one_step(self) -> Self:
        """The options of a single step on all rows, without an evaluation or a time limit."""
        single = replace(self, batch_size=None, init_size=None, max_iter=1, time_limit=None)
        return replace(single, compute_labels=False)

    @property
    def rules(self) -> StopRules:
        return replace(
            super().rules,
            max_no_improvement=self.max_no_improvement,
            evaluates=self.compute_labels,
        )

    @property
    def update(self) -> MiniBatchUpdate:
        init_size = self.init_size
        if init_size is None and self.batch_size is not None:
            init_size = 3 * self.batch_size
            if init_size < self.n_clusters:
                init_size = 3 * self.n_clusters
        return MiniBatchUpdate(
            self.rules,
            batches=Batches(self.batch_size),
            reassignment_ratio=self.reassignment_ratio,
            init_size=init_size,
        )

    def plan(self, rows: Rows, budget: Budget) -> Rows:
        if self.batch_size is None:
            return rows
        return in_batches(rows, self.batch_size, budget)
