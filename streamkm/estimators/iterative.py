"""The fit of `KMeans` and `MiniBatchKMeans`: translate parameters, run, store attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

from sklearn.utils import check_random_state

from streamkm.arrays import Float64Array
from streamkm.estimators.centroids import CentroidEstimator
from streamkm.estimators.data import InputData
from streamkm.estimators.messages import (
    ending,
    print_left_out,
    print_state,
    warn_of_ending,
    warn_of_one_init,
)
from streamkm.estimators.opening import all_or_nothing, data_options, given_centroids, names_of
from streamkm.estimators.parameters import fit_options
from streamkm.fitting import FitState, label_pass
from streamkm.numbers import real_number
from streamkm.rows import Named, Scaling
from streamkm.runs.fit import PreparedFit, fit, prepare
from streamkm.runs.fit_options import FitOptions, restarts_of
from streamkm.runs.options import CheckpointOptions
from streamkm.showing.verbose import verbose_progress
from streamkm.updates import BoundedState, history_array


class IterativeEstimator(CentroidEstimator):
    """An estimator whose centroids move in iterations, and its fit."""

    n_clusters: int
    init: Any
    n_init: Any
    random_state: Any
    max_iter: int
    verbose: int
    checkpoint: Any
    checkpoint_every: float
    _metric: ClassVar[str] = "euclidean"
    _options_class: ClassVar[type[FitOptions]] = FitOptions

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, mask: Any = None) -> Self:
        """Compute the centroids.

        Parameters
        ----------
        X : array-like, table, Dask array or data frame, zarr.Array, xarray.DataArray or Dataset, \
numpy.memmap, h5py.Dataset, or path or URL of a Zarr array
            Data of shape (n_samples, n_features), or N-d with `feature_dim`.
        y : ignored
            Not used, present for API consistency.
        sample_weight : array of the row shape or None, default=None
            Weight of each row, in any of the forms of `X`. A DataArray with some of the dimensions
            of the rows is repeated along the others. A text is the name of a coordinate or
            variable of `X`, or ``"cos(lat)"``, the cosine of a coordinate in degrees, or in radians
            by its attribute `units`.
        mask : array of the row shape or None, default=None
            Rows where it is False are left out. Repeated like `sample_weight`.

        Returns
        -------
        estimator
            This estimator, fitted.

        Raises
        ------
        streamkm.errors.DataError
            If the data cannot be clustered; the message names the cause and the fix. The error is
            a ValueError, too.
        streamkm.errors.MemoryLimitError
            If the work does not fit in `memory_limit`.
        streamkm.errors.CheckpointError
            If `checkpoint` belongs to another fit or other data, or is in use.
        """
        with all_or_nothing(self):
            return self._fit(X, sample_weight, mask)

    def _fit(
        self,
        X: Any,
        sample_weight: Any,
        mask: Any,
        like: tuple[Float64Array, Scaling | None] | None = None,
    ) -> Self:
        warn_of_one_init(self)
        names = None if like is None else names_of(self)
        cluster_names = None if like is None else getattr(self, "cluster_names_", None)
        checkpoint = self._checkpoint_options()
        given, prepared = self._prepare(X, sample_weight, mask, names, self._options())
        options, rows = prepared.options, prepared.rows
        labels = given.empty_labels(options.n_clusters, rows) if options.labels_data else None
        with verbose_progress(self.verbose, rows, print_state) as progress:
            result = fit(
                prepared,
                checkpoint=checkpoint,
                labels=labels,
                number_like=like,
                progress=progress,
            )
        if self.verbose:
            print(ending(result.state))
            print_left_out(result.state, rows)
        self._store(result.state, names or rows.layout.names)
        self._set_units(rows.layout.units)
        self._warn(result.state)
        if cluster_names is not None and len(cluster_names) == options.n_clusters:
            self.cluster_names_ = cluster_names
        if options.labels_data:
            bounded = isinstance(result.state.best.state, BoundedState)
            dtype = given.label_dtype(options.n_clusters, result.rows)
            question = label_pass(result.rows, result.state, dtype) if bounded else None
            self._set_labels(given, result.rows, labels, question)
        return self

    def _prepare(
        self,
        X: Any,
        sample_weight: Any,
        mask: Any,
        names: Sequence[str] | None,
        options: FitOptions,
    ) -> tuple[InputData, PreparedFit]:
        """Return the data of the call, and their fit before its first read."""
        given, data = data_options(self, X, sample_weight, mask, names)
        if callable(self.init):
            init = self._init_by_function(given)
            options = replace(options, init=init, n_init=len(init))
        return given, prepare(data, options)

    def _options(self) -> FitOptions:
        """Return the options of the fit; raise an error for invalid parameters.

        The centroids of a function are computed later, from the data.
        """
        init = () if callable(self.init) else self._init()
        return fit_options(self, self._options_class, init=init, metric=self._metric)

    def _checkpoint_options(self) -> CheckpointOptions | None:
        seconds = real_number("checkpoint_every", self.checkpoint_every)
        return None if self.checkpoint is None else CheckpointOptions(self.checkpoint, seconds)

    def _init(self) -> str | tuple[Named, ...]:
        """The seeding method, or the given centroids with the names of their features."""
        return self.init if isinstance(self.init, str) else (Named(*given_centroids(self.init)),)

    def _init_by_function(self, given: InputData) -> tuple[Named, ...]:
        """The centroids of each restart, from a function.

        Raises
        ------
        ValueError
            If the data are not an array in memory.
        """
        if given.of_lazy_kind or given.feature_dim is not None:
            raise ValueError(
                "a callable init needs rows in memory, as an array of shape (n, d). For other "
                "data, call the function yourself and pass the array that it returns."
            )
        random_state = check_random_state(self.random_state)
        k, n_init = int(self.n_clusters), self._restarts
        arrays = [self.init(given.array, k, random_state=random_state) for _ in range(n_init)]
        return tuple(Named(*given_centroids(array)) for array in arrays)

    @property
    def _restarts(self) -> int:
        return restarts_of(self.n_init, self.init, self._options_class.auto_restarts)

    def _warn(self, state: FitState) -> None:
        warn_of_ending(state, self.max_iter)

    def _store(self, state: FitState, names: Sequence[str] | None) -> None:
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
        if best.counts is not None:
            self.counts_ = best.counts
        if isinstance(best.state, BoundedState):
            self.unbounded_inertia_ = best.state.unbounded_inertia
        elif hasattr(self, "unbounded_inertia_"):
            del self.unbounded_inertia_  # from an earlier fit
