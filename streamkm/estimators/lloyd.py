"""A fit of `KMeans`: rename, delegate, keep what came of it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from streamkm.arrays import Float64Array
from streamkm.engine import caching, map_rows
from streamkm.estimators.centroids import CentroidEstimator
from streamkm.estimators.data import Given
from streamkm.estimators.messages import check_parameters, ending, print_state, search_printer
from streamkm.estimators.opening import given_centroids, names_of
from streamkm.estimators.parameters import Numbers
from streamkm.fitting import (
    FitState,
    Watch,
    checkpointing,
    first_state,
    fit_budget,
    iterate,
    label,
    learn_scaling,
    numbered_like,
    restart_seeds,
    with_scaling,
)
from streamkm.in_memory.monitor import monitored
from streamkm.rows import Budget, Rows, Scaling, among, reordering
from streamkm.updates import AcceleratedUpdate, StopRules, Update, history_array
from streamkm.updates.stopping import MAX_ITER


class LloydEstimator(CentroidEstimator):
    """The fit of an estimator that has the parameters of `KMeans`."""

    n_clusters: int
    init: Any
    random_state: Any
    max_iter: int
    verbose: int
    algorithm: str
    restarts: str
    empty_cluster: str
    scale: str | None
    checkpoint: Any
    _fixed: ClassVar[Scaling | None] = None  # a scaling that is not learned

    def _fit(
        self,
        X: Any,
        sample_weight: Any,
        mask: Any,
        like: tuple[Float64Array, Scaling | None] | None = None,
    ) -> Self:
        self._check_parameters(X)
        names = None if like is None else names_of(self)
        named = None if like is None else getattr(self, "cluster_names_", None)
        given, rows = self._rows(X, sample_weight, mask, reset=True, names=names)
        names = names or rows.layout.names
        init = self._given(given, names)
        asked = self._numbers
        rules = StopRules(
            asked.max_iter, asked.tol, asked.loss_tol, distortion_tol=asked.distortion_tol
        )
        eager = not given.is_lazy
        dtype = given.label_dtype(asked.n_clusters, rows)
        labels = np.empty(rows.layout.row_shape if eager else 0, dtype)
        with ExitStack() as stack:
            watch: list[Watch] = [print_state] if self.verbose else []
            stack.enter_context(monitored(search_printer() if self.verbose else None))
            begin = partial(self._begin, rows, init, rules)
            if self.checkpoint is None:
                state = begin()
                rows = with_scaling(rows, state.scaling)
            else:
                places = (self.checkpoint, rows, self._asked(init, eager))
                kept = stack.enter_context(checkpointing(*places, asked.checkpoint_every))
                budget = self._budget(reset=True)
                state, rows, _ = kept.begin(begin, rules.after(init), budget)
                watch.append(kept.see)
            held = stack.enter_context(caching(rows))
            state = iterate(
                held,
                state,
                time_limit=asked.time_limit,
                watch=watch,
                keep_evaluation=eager,
            )
            if like is not None:
                state = numbered_like(state, among(like[0], state.scaling, like[1]))
            if eager:
                state = label(held, state, labels, labels.dtype)
        if self.verbose:
            print(ending(state))
        self._keep(state, names)
        if named is not None and len(named) == asked.n_clusters:
            self.cluster_names_ = named
        rows = with_scaling(rows, state.scaling)
        question = self._labels(given, rows)
        self.labels_ = given.like(
            labels if eager else map_rows(question, rows), rows, self._names()
        )
        return self

    def _begin(self, rows: Rows, init: str | list[Float64Array], rules: StopRules) -> FitState:
        """The first state; to learn how rows are scaled may cost a read."""
        rows = learn_scaling(with_scaling(rows, self._fixed), self.scale)
        scaling = rows.layout.scaling
        return first_state(
            rows,
            self._numbers.n_clusters,
            init if isinstance(init, str) else [among(each, scaling) for each in init],
            restart_seeds(entropy_of(self.random_state), self._n_init),
            self._update(rules),
            self._budget(reset=True).room(rows.layout),
            self.restarts == "halving",
        )

    def _update(self, rules: StopRules) -> Update[Any]:
        """The rule that moves the centroids."""
        relocate, settles = self.empty_cluster == "relocate", self.algorithm == "auto"
        return AcceleratedUpdate(rules, relocate=relocate, settles=settles)

    def _asked(self, init: Any, eager: bool) -> dict[str, Any]:
        """What a checkpoint compares; a seed only where there is one to repeat."""
        asked: dict[str, Any] = self.get_params(deep=False)
        asked |= {"estimator": type(self).__name__, "init": init, "labels": eager}
        if not isinstance(self.random_state, Integral):
            del asked["random_state"]
        for name in ("verbose", "copy_x", "checkpoint", "checkpoint_every"):
            del asked[name]
        return asked

    def _check_parameters(self, X: Any) -> None:
        _ = self._numbers  # refuses what are none
        check_parameters(self, X)

    def _given(self, given: Given, names: Sequence[str] | None) -> str | list[Float64Array]:
        """The seeding by name, or the first centroids: of a function those of each restart.

        Those with names, as of a fitted model or a table, are put in the order of the data's.
        """
        if isinstance(self.init, str):
            return self.init
        found = [self.init]
        if callable(self.init):
            random_state = check_random_state(self.random_state)
            asked = given.array, self._numbers.n_clusters
            found = [self.init(*asked, random_state=random_state) for _ in range(self._n_init)]
        return [self._in_order(each, names) for each in found]

    def _in_order(self, what: Any, names: Sequence[str] | None) -> Float64Array:
        centroids, own = given_centroids(what)
        order = reordering(own, names, ("init", "the data"))
        ordered: Float64Array = centroids if order is None else centroids[:, list(order)]
        return ordered

    @property
    def _n_init(self) -> int:
        named = isinstance(self.init, str)
        if not named and not callable(self.init):
            return 1
        asked = self._numbers.n_init
        if asked == "auto":
            return 1 if named and self.init != "random" else 10
        return int(asked)

    @property
    def _numbers(self) -> Numbers:
        return Numbers.of(self, ("n_init", "loss_tol"))

    def _keep(self, state: FitState, names: Sequence[str] | None) -> None:
        best = state.best
        assert best.centroids is not None
        self._take(best.centroids, state.scaling, names)
        self.inertia_ = best.inertia
        self.n_iter_ = len(best.history)
        self.history_ = history_array(best.history)
        self.n_passes_ = state.n_passes
        self.bytes_read_ = state.reads.bytes_read
        self.reads_ = state.reads.by_phase
        self.stop_reason_ = best.stop_reason
        statistic = best.statistic  # None where `refit` has numbered the clusters since
        k = len(best.centroids)
        found = np.count_nonzero(statistic.counts) if statistic else k
        if found < k:
            warnings.warn(
                f"Number of distinct clusters ({found}) found smaller than n_clusters "
                f"({k}). Possibly due to duplicate points in X.",
                ConvergenceWarning,
                stacklevel=4,
            )
        if best.stop_reason == MAX_ITER:
            warnings.warn(
                f"stopped after max_iter={self.max_iter} iterations before any tolerance was met; "
                "raise max_iter, or tol.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _budget(self, *, reset: bool) -> Budget:
        if not reset:
            return super()._budget(reset=False)
        asked = self._numbers
        inits: Any = None  # of given centroids nothing is asked but how many they are
        if isinstance(self.init, str) or callable(self.init):
            # What a function gives takes what as many random rows take.
            inits = ["random" if callable(self.init) else self.init] * self._n_init
        return fit_budget(asked.memory_limit, inits, [asked.n_clusters])


def entropy_of(random_state: Any) -> int:
    """The number that all draws come from: scikit-learn's `random_state` as an integer."""
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
