"""Mini-batch k-means as a scikit-learn estimator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

from streamkm.arrays import Float64Array
from streamkm.engine import map_reduce, write_rows
from streamkm.estimators.data import InputData
from streamkm.estimators.iterative import IterativeEstimator
from streamkm.estimators.opening import all_or_nothing, names_of
from streamkm.fitting import FitState
from streamkm.models.model import Model
from streamkm.passes import Assigned, Lloyd
from streamkm.rows import Room, Rows
from streamkm.runs.fit import fit
from streamkm.runs.fit_options import FitOptions
from streamkm.runs.minibatch import MiniBatchOptions
from streamkm.updates import MiniBatchState, MiniBatchUpdate

_FIT_NUMBERS = ("n_iter_", "batch_size_", "init_size_")  # attributes that `fit` sets


class MiniBatchKMeans(IterativeEstimator):
    """Mini-batch k-means (Sculley 2010): centroids move after every few blocks of the data.

    A fit needs a fraction of a read of the data where `KMeans` needs several reads; its loss is a
    few percent higher. The same data, block plan and seed give the same bits on every Dask
    scheduler, and after a resume.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters.
    init : {'auto', 'coreset', 'k-means||', 'k-means++', 'random', 'farthest'}, array of shape \
(n_clusters, n_features), a fitted model or a function, default='auto'
        First centroids, as for `KMeans`. A seeding method reads blocks of `init_size` rows only.
    max_iter : int, default=100
        Maximum number of epochs. An epoch visits every block of the data once, in random order.
    batch_size : int, default=1024
        Number of rows of a mini-batch. For data in memory, the rows come from the whole array. For
        a store, it consists of whole chunks or shards from all over the store: as many as
        `batch_size` holds, and at least one. A Dask array is used in its chunks. `batch_size_` is
        the number that was used.
    verbose : int, default=0
        If not 0, print a line after every batch, and the reason for the end.
    compute_labels : bool, default=True
        Label the data, and compute their exact loss, after the last batch. This takes one read.
        With False, `inertia_` is estimated from the batches and there are no labels.
    random_state : int, RandomState instance or None, default=None
        Seed of all random draws.
    tol : float, default=0.0
        Stop when the sum of squared centroid moves in a step is at most `tol` times the mean
        variance of the features in the first batch. 0 disables this rule.
    max_no_improvement : int or None, default=10
        Stop after this many consecutive batches without a lower smoothed loss, which is an
        exponentially weighted average of the mean loss of the batches, as in scikit-learn. None
        turns this rule off.
    init_size : int or None, default=None
        Number of rows that the seeding reads, rounded up to whole blocks. None is
        ``3 * batch_size``, or ``3 * n_clusters`` if that is less than `n_clusters`.
    n_init : 'auto' or int, default='auto'
        Number of restarts, which share each batch. The result is the restart of the lowest loss.
        'auto' is 3 for 'random' and for a callable, otherwise 1.
    reassignment_ratio : float, default=0.01
        Clusters with a count below this share of the largest count move to rows of the batch, drawn
        by weight. This happens after every ``10 * n_clusters`` rows, and after every batch while a
        cluster is empty. 0 disables it.
    feature_dim : str, int or sequence of them, default=None
        Feature dimension(s) of N-d data, as for `KMeans`.
    nodata : 'auto', None, float or sequence of float, default='auto'
        Rows that have one of these values in any feature are left out, as for `KMeans`.
    time_limit : float or None, default=None
        Seconds after which no further batch starts.
    memory_limit : str, int or None, default=None
        Peak memory of the process, such as '2GiB', as for `KMeans`.
    checkpoint : path, URL, Zarr store or None, default=None
        Where the state of the fit is saved, also between batches. The same `fit` resumes from it.
    checkpoint_every : float, default=60.0
        Minimum number of seconds between two saved states.

    Attributes
    ----------
    cluster_centers_ : ndarray of shape (n_clusters, n_features), float64
        Centroids, in units of the data.
    labels_ : ndarray of shape (n_samples,), int32, or a lazy array
        Nearest centroid of every row, as for `KMeans`; only with `compute_labels`.
    inertia_ : float
        Weighted sum of squared distances of the rows to their centroids, in squared data units; an
        estimate without `compute_labels`.
    n_iter_ : int
        Number of epochs that were started.
    n_steps_ : int
        Number of mini-batches.
    batch_size_ : int
        Number of rows of a mini-batch. The last batch of an epoch may have fewer.
    init_size_ : int
        Number of rows for the seeding, before it was rounded up to whole blocks.
    stop_reason_ : str
        Rule that ended the fit.
    n_passes_ : float
        Number of reads of the data; a read of some blocks counts as their share of a read. Like
        `bytes_read_`, `reads_` and `stop_reason_`, it is set by `fit`, not by `partial_fit`.
    bytes_read_ : int
        Decoded bytes of the blocks that were read.
    reads_ : dict
        Reads and bytes of each phase: 'seeding', 'iterations', 'labelling'.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str of shape (n_features,)
        Names of the features, if the data have names.

    See Also
    --------
    KMeans : Lloyd's iterations, which use all rows in every step.

    Notes
    -----
    The update is that of Sculley, "Web-scale k-means clustering" (WWW 2010), with the rules of
    scikit-learn's `MiniBatchKMeans`: every centroid is the mean of all rows assigned to it so far.
    A store is not shuffled. If neighbouring rows are similar, as in a store that is sorted by
    cluster, choose a `batch_size` and an `init_size` of many chunks.

    Examples
    --------
    >>> import numpy as np
    >>> from streamkm import MiniBatchKMeans
    >>> rng = np.random.default_rng(0)
    >>> x = np.concatenate([rng.normal(0, 1, (5000, 2)), rng.normal(9, 1, (5000, 2))])
    >>> km = MiniBatchKMeans(2, random_state=0).fit(x)
    >>> np.sort(km.cluster_centers_[:, 0]).round().tolist()
    [0.0, 9.0]
    >>> km = MiniBatchKMeans(2, random_state=0)
    >>> for batch in np.array_split(x[rng.permutation(10_000)], 20):
    ...     km = km.partial_fit(batch)
    >>> np.sort(km.cluster_centers_[:, 0]).round().tolist()
    [0.0, 9.0]
    """

    _options_class: ClassVar[type[FitOptions]] = MiniBatchOptions
    _batch_state: MiniBatchState | None = None  # state after the last batch
    _seed: int = 0  # key of the draws of further batches

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Any = "auto",
        max_iter: int = 100,
        batch_size: int = 1024,
        verbose: int = 0,
        compute_labels: bool = True,
        random_state: Any = None,
        tol: float = 0.0,
        max_no_improvement: int | None = 10,
        init_size: int | None = None,
        n_init: int | str = "auto",
        reassignment_ratio: float = 0.01,
        feature_dim: Any = None,
        nodata: Any = "auto",
        time_limit: float | None = None,
        memory_limit: str | int | None = None,
        checkpoint: Any = None,
        checkpoint_every: float = 60.0,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.verbose = verbose
        self.compute_labels = compute_labels
        self.random_state = random_state
        self.tol = tol
        self.max_no_improvement = max_no_improvement
        self.init_size = init_size
        self.n_init = n_init
        self.reassignment_ratio = reassignment_ratio
        self.feature_dim = feature_dim
        self.nodata = nodata
        self.time_limit = time_limit
        self.memory_limit = memory_limit
        self.checkpoint = checkpoint
        self.checkpoint_every = checkpoint_every

    def partial_fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, mask: Any = None
    ) -> Self:
        """Move the centroids by one step on a batch; the first batch also seeds the centroids.

        The model can be used after every call. The counts of rows are kept, also after a `fit`, so
        the weight of a batch decreases with the number of rows before it. `checkpoint` is not used;
        `save` stores the model, and a loaded model continues.

        Parameters
        ----------
        X : as in `fit`
            All rows are one batch; `batch_size` and `init_size` are not used.
        y : ignored
            Not used, present for API consistency.
        sample_weight : array of the row shape or None, default=None
            Weight of each row.
        mask : array of the row shape or None, default=None
            Rows where it is False are left out.

        Returns
        -------
        MiniBatchKMeans
            Fitted estimator.

        Raises
        ------
        streamkm.errors.DataError
            If the data cannot be clustered; the model is then unchanged.
        """
        with all_or_nothing(self):
            if hasattr(self, "cluster_centers_"):
                return self._step(X, sample_weight, mask)
            return self._first_step(X, sample_weight, mask)

    def _first_step(self, X: Any, sample_weight: Any, mask: Any) -> Self:
        """Seed the centroids with all rows of a batch, and make a step."""
        options = self._options().one_step
        given, prepared = self._prepare(X, sample_weight, mask, None, options)
        result = fit(prepared)
        self._take_state(result.state, result.rows.layout.names)
        self._set_units(result.rows.layout.units)
        return self._label(given, result.rows)

    def _step(self, X: Any, sample_weight: Any, mask: Any) -> Self:
        """Make a step on a batch from the present centroids."""
        given, rows = self._rows(X, sample_weight, mask, count=True)
        update = self._options().one_step.update.on_rows(rows, Room(0, 0), self._seed)
        state = self._batch_state or update.init(self._centroids)
        state = replace(update.restart(state), centroids=self._centroids)
        state = update.tell(state, map_reduce(update.ask(state), rows))
        self._take(state.centroids, self._scaling, names_of(self))
        self._batch_state, self.n_steps_ = state, state.n_steps
        return self._label(given, rows)

    def _label(self, given: InputData, rows: Rows) -> Self:
        """Set labels and loss of a batch if they are requested; return the estimator."""
        if not self.compute_labels:
            return self
        labels = given.empty_labels(len(self.cluster_centers_), rows)
        if labels is None:
            statistic: Assigned = map_reduce(Lloyd(self._centroids), rows)
        else:
            statistic = write_rows(self._labels(given, rows), rows, labels)
        self.inertia_ = float(statistic.inertia(self._centroids))
        self._set_labels(given, rows, labels)
        return self

    def _options(self) -> MiniBatchOptions:
        options = super()._options()
        assert isinstance(options, MiniBatchOptions)
        return options

    def _warn(self, state: FitState) -> None:
        """Do not warn of empty clusters or of `max_iter`, as in scikit-learn."""

    def _store(self, state: FitState, names: Sequence[str] | None) -> None:
        super()._store(state, names)
        del self.history_  # no history of the batches is stored
        update = self._take_state(state, names)
        batches = update.batches
        self.n_iter_ = math.ceil(self.n_steps_ / batches.per_epoch)
        self.batch_size_ = batches.rows_each
        self.init_size_ = min(update.init_size or batches.n_rows, batches.n_rows)

    @property
    def _stored_batches(self) -> tuple[Float64Array, dict[str, int]]:
        """The counts of the clusters, and the numbers that a stored model needs besides them."""
        state = self._batch_state or self._options().update.init(self._centroids)
        numbers = {name: getattr(self, name) for name in _FIT_NUMBERS if hasattr(self, name)}
        steps = {"n_steps": state.n_steps, "rows_since": state.rows_since, "seed": self._seed}
        return state.counts, numbers | steps

    def _restore_batches(self, model: Model) -> None:
        """Set the state of `_stored_batches`, so that `partial_fit` continues from it."""
        counts, numbers = model.counts, model.batches
        assert counts is not None
        if not math.isnan(model.inertia):
            self.inertia_ = model.inertia
        steps, since = numbers["n_steps"], numbers["rows_since"]
        self._batch_state = MiniBatchState(
            self._centroids, counts=counts, n_steps=steps, rows_since=since
        )
        self._seed, self.n_steps_ = numbers["seed"], steps
        for name in _FIT_NUMBERS:
            if name in numbers:
                setattr(self, name, numbers[name])

    def _take_state(self, state: FitState, names: Sequence[str] | None) -> MiniBatchUpdate:
        """Set the centroids of a state, and the values that a further step starts from."""
        best = state.best
        assert isinstance(best.state, MiniBatchState)
        assert isinstance(best.update, MiniBatchUpdate)
        self._take(best.state.centroids, state.scaling, names)
        self._batch_state, self._seed = best.state, best.update.batches.seed
        self.n_steps_ = best.state.n_steps
        return best.update
