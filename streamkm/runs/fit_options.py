"""Options of fits, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

import numpy as np

from streamkm.arrays import LARGE_NBYTES, Float64Array
from streamkm.errors import DataError
from streamkm.fitting import SCALES, fit_budget
from streamkm.fitting.first import check_centroids, check_enough
from streamkm.numbers import MOST_RESTARTS, real_number, whole_number
from streamkm.rows import Budget, Named, Rows, Scaling, UnitLength, may_lack, reordering
from streamkm.runs.option_conflicts import check_bounds, check_missing
from streamkm.seeding import method_of, resolved
from streamkm.updates import (
    ALGORITHMS,
    AcceleratedUpdate,
    BoundedUpdate,
    ObservedUpdate,
    SphericalUpdate,
    StopRules,
    Update,
    bounding_nbytes,
    check_sizes,
)

_CHOICES: dict[str, tuple[str | None, ...]] = {
    "algorithm": ALGORITHMS,
    "scale": (*SCALES, None),
    "restarts": ("all", "halving"),
    "empty_cluster": ("relocate", "keep"),
    "missing": (None, "impute"),
}


@dataclass(frozen=True)
class FitOptions:
    """Options of a fit; `KMeans` describes each of them.

    `max_iter`, the tolerances and `time_limit` determine when a fit stops. A run that resumes
    another may change these; all other options must be the same.

    Parameters
    ----------
    n_clusters : int
    init : str, or tuple of Named
        Seeding method, or the first centroids of every restart, (n_clusters, n_features) each.
    n_init : int
    restarts : {'all', 'halving'}
    max_iter : int
    tol : float
    algorithm : {'auto', 'lloyd'}
    loss_tol : float, None or 'auto'
    distortion_tol : float or None
    time_limit : float or None
    empty_cluster : {'relocate', 'keep'}
    scale : {None, 'standard', 'robust'}
    metric : {'euclidean', 'cosine'}
    min_size, max_size : int or None
        Least and most rows of a cluster.
    missing : {None, 'impute'}
    random_state : int or RandomState
        A RandomState is used only when a new fit starts, and is not compared on resuming.
    """

    n_clusters: int = 8
    init: str | tuple[Named, ...] = "auto"
    n_init: int = 1
    restarts: str = "all"
    max_iter: int = 300
    tol: float = 1e-4
    algorithm: str = "auto"
    loss_tol: float | str | None = "auto"
    distortion_tol: float | None = None
    time_limit: float | None = None
    empty_cluster: str = "relocate"
    scale: str | None = None
    metric: str = "euclidean"
    min_size: int | None = None
    max_size: int | None = None
    missing: str | None = None
    random_state: int | np.random.RandomState = 0

    auto_restarts: ClassVar[int] = 10  # for random rows and functions, as in scikit-learn

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """Check parameters of these names; all other names are ignored.

        Raises
        ------
        ValueError
            If a value is not allowed.
        """
        known = {f.name: parameters[f.name] for f in fields(cls) if f.name in parameters}
        for name, choices in _CHOICES.items():
            if known.get(name, choices[0]) not in choices:
                words = [repr(choice) for choice in choices]
                raise ValueError(
                    f"{name}={known[name]!r}; use {', '.join(words[:-1])} or {words[-1]}."
                )
        options = cls(**known)
        if isinstance(options.init, str):
            method_of(options.init)
        checked = replace(
            options,
            min_size=_size(options, "min_size", 0),
            max_size=_size(options, "max_size", 1),
            n_clusters=whole_number("n_clusters", options.n_clusters, 1),
            n_init=restarts_of(options.n_init, options.init, cls.auto_restarts),
            max_iter=whole_number("max_iter", options.max_iter, 1),
            tol=real_number("tol", options.tol),
            loss_tol="auto" if _is_auto(options.loss_tol) else _limit(options, "loss_tol"),
            distortion_tol=_limit(options, "distortion_tol"),
            time_limit=_limit(options, "time_limit"),
        )
        check_bounds(checked)
        check_missing(checked)
        return checked

    @property
    def rules(self) -> StopRules:
        """The stop rules; 'auto' is decided by `StopRules.after`."""
        return StopRules(self.max_iter, self.tol, self.loss_tol, distortion_tol=self.distortion_tol)

    @property
    def update(self) -> Update[Any]:
        """The rule that moves the centroids."""
        relocate = self.empty_cluster == "relocate"
        if self.bounded:
            sizes = (self.min_size, self.max_size)
            return BoundedUpdate(self.rules, True, *sizes, self.metric == "cosine")
        if self.missing is not None:
            return ObservedUpdate(self.rules, relocate=relocate)
        if self.metric == "cosine":
            return SphericalUpdate(self.rules, relocate=relocate)
        return AcceleratedUpdate(self.rules, relocate=relocate, settles=self.algorithm == "auto")

    @property
    def bounded(self) -> bool:
        """Whether the sizes of the clusters are bounded."""
        return self.min_size is not None or self.max_size is not None

    @property
    def labels_data(self) -> bool:
        """Whether the fit also labels its data."""
        return True

    def plan(self, rows: Rows, budget: Budget) -> Rows:
        """Return the rows in the blocks that the fit reads, whose size `budget` limits."""
        return rows

    @property
    def scaling(self) -> Scaling | None:
        """The scaling that the metric requires, which is not learned from the data, or None."""
        return UnitLength() if self.metric == "cosine" else None

    def budget(self, memory_limit: int | None) -> Budget:
        """The memory that the fit needs; given centroids need as much as random rows."""
        method = self.init if isinstance(self.init, str) else "random"
        inits = [resolved(method, self.n_clusters)] * self.n_init
        few = inits[0] == "auto"
        budget = fit_budget(memory_limit, inits, [self.n_clusters], samples_if_small=few)
        if self.missing is not None:  # a statistic has twice as many numbers
            return replace(budget, clusters=2 * budget.clusters)
        return replace(budget, beside=bounding_nbytes(self.n_clusters)) if self.bounded else budget

    def for_rows(self, rows: Rows) -> Self:
        """Return the options with another method in the place of init="auto" where it is better.

        Very many clusters are found on two levels. Fewer large centroids are random rows, because
        the sample of a coreset would take many times their memory.
        """
        if not _is_auto(self.init):
            return self
        large = self.n_clusters * rows.layout.n_features * 8 >= LARGE_NBYTES
        method = resolved("auto", self.n_clusters)
        return replace(self, init="random" if large and method == "auto" else method)

    def first_centroids(self, names: Sequence[str] | None) -> str | list[Float64Array]:
        """The seeding method, or the given centroids with features in the order of the data."""
        if isinstance(self.init, str):
            return self.init
        return [_in_order(each, names) for each in self.init]

    def check(self, rows: Rows) -> None:
        """Refuse too few rows, and centroids of another shape, before any read.

        Raises
        ------
        DataError
            If there are too few rows, or the centroids have another shape.
        """
        check_enough(rows.layout.n_rows, self.n_clusters)
        self._check_sizes(rows)
        centroids = self.first_centroids(rows.layout.names)
        for each in [] if isinstance(centroids, str) else centroids:
            check_centroids(each, self.n_clusters, rows.layout.n_features)

    def _check_sizes(self, rows: Rows) -> None:
        """Refuse weights, and sizes that the clusters of these rows cannot have."""
        if not self.bounded:
            return
        if rows.weights is not None:
            raise DataError(
                "bounded sizes count rows, and weighted rows cannot be divided among clusters: "
                "leave out the weights, or the bounds."
            )
        # Fewer rows than there are remain with a mask; how many is known after the first read.
        most = None if may_lack(rows) else self.max_size
        check_sizes(self.n_clusters, rows.layout.n_rows, self.min_size, most)


def restarts_of(n_init: Any, init: Any, auto: int = FitOptions.auto_restarts) -> int:
    """The number of restarts; 'auto' is 10 for random rows and for a function, else 1."""
    asked = None if _is_auto(n_init) else whole_number("n_init", n_init, 1, MOST_RESTARTS)
    if isinstance(init, tuple):
        return len(init)
    if not isinstance(init, str) and not callable(init):
        return 1
    return asked or (1 if isinstance(init, str) and init != "random" else auto)


def _in_order(given: Named, names: Sequence[str] | None) -> Float64Array:
    order = reordering(given.names, names, ("init", "the data"))
    ordered: Float64Array = given.array if order is None else given.array[:, list(order)]
    return ordered


def _is_auto(value: Any) -> bool:
    return isinstance(value, str) and value == "auto"


def _size(options: FitOptions, name: str, least: int) -> int | None:
    value = getattr(options, name)
    return None if value is None else whole_number(name, value, least)


def _limit(options: FitOptions, name: str) -> float | None:
    value = getattr(options, name)
    return None if value is None else real_number(name, value)
