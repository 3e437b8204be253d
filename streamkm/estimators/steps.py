"""`streamkm.iterate`: watch Lloyd's algorithm step by step."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.estimators.kmeans import KMeans
from streamkm.estimators.opening import names_of
from streamkm.estimators.step_html import step_html
from streamkm.fitting import FitState
from streamkm.runs.fit import PreparedFit
from streamkm.runs.steps import StepOptions, steps
from streamkm.updates import CountedState


@dataclass(frozen=True, eq=False, repr=False)
class LloydStep:
    """The centroids of one step of Lloyd's algorithm, and what the data are like under them.

    `streamkm.iterate` yields these objects.

    Parameters
    ----------
    iteration : int
        Number of moves so far; 0 for the initial centroids.
    centroids : ndarray of shape (n_clusters, n_features), float64, read-only
        Centroids, in units of the data.
    inertia : float
        Weighted sum of the squared distances of the rows to these centroids.
    shift : float
        Sum of the squared moves that led to these centroids, in squared units of the data; NaN for
        the initial centroids.
    counts : ndarray of shape (n_clusters,), float64, read-only
        Weight of the rows of each cluster under these centroids; without weights, their number.
    stop_reason : str or None
        The rule that ended the iterations, for the last step; None for all others.
    previous : ndarray of shape (n_clusters, n_features), float64, read-only, or None
        Centroids of the step before; None for the initial centroids.
    """

    iteration: int
    centroids: Float64Array
    inertia: float
    shift: float
    counts: Float64Array
    stop_reason: str | None
    previous: Float64Array | None
    _model: KMeans

    def __repr__(self) -> str:
        k, d = self.centroids.shape
        facts = f"{k} clusters, {d} features, inertia {self.inertia:.6g}"
        end = "" if self.stop_reason is None else f", stopped by {self.stop_reason}"
        return f"<LloydStep {self.iteration}: {facts}{end}>"

    def _repr_html_(self) -> str:
        return step_html(self, names_of(self._model))

    @property
    def moves(self) -> Float64Array:
        """Return how far each centroid moved from the step before.

        Returns
        -------
        ndarray of shape (n_clusters,), float64
            Euclidean distances in units of the data; NaN for the initial centroids.

        Examples
        --------
        >>> import numpy as np, streamkm
        >>> x = np.array([[0.0], [1.0], [9.0], [10.0]])
        >>> for step in streamkm.iterate(x, 2, init=np.array([[0.0], [1.0]]), tol=0):
        ...     print(step.labels(x), step.moves.round(2))
        [0 1 1 1] [nan nan]
        [0 0 1 1] [0.   5.67]
        [0 0 1 1] [0.5  2.83]
        [0 0 1 1] [0. 0.]
        """
        if self.previous is None:
            return np.full(len(self.centroids), np.nan)
        moved: Float64Array = np.linalg.norm(self.centroids - self.previous, axis=1)
        return moved

    def labels(self, X: Any, mask: Any = None) -> Any:
        """Return the cluster of every row under the centroids of this step.

        Parameters
        ----------
        X : as in `iterate`
            The same data, or other rows with the same features.
        mask : array-like of the row shape, bool, or None
            False for rows that are left out.

        Returns
        -------
        int32 ndarray of shape (n_samples,), or an array of the row shape
            As `KMeans.predict`: for a store or a Dask array it is lazy, and computing it costs one
            read.

        Raises
        ------
        DataError
            If the features are not those of the data of `iterate`.

        Examples
        --------
        >>> import numpy as np, streamkm
        >>> x = np.array([[0.0], [1.0], [9.0], [10.0]])
        >>> first, *_, last = streamkm.iterate(x, 2, init=np.array([[0.0], [1.0]]))
        >>> first.labels(x).tolist(), last.labels(x).tolist()
        ([0, 1, 1, 1], [0, 0, 1, 1])
        """
        return self._model.predict(X, mask)


def iterate(
    X: Any,
    n_clusters: int = 8,
    *,
    init: Any = "random",
    max_iter: int = 300,
    tol: float = 1e-4,
    empty_cluster: str = "relocate",
    random_state: Any = None,
    sample_weight: Any = None,
    mask: Any = None,
    feature_dim: Any = None,
    nodata: Any = "auto",
    memory_limit: str | int | None = None,
) -> Iterator[LloydStep]:
    """Yield the steps of Lloyd's algorithm one by one, from the initial centroids to the last.

    They are the iterations of ``KMeans(n_clusters, init=init, n_init=1, algorithm="lloyd")`` with
    the same other parameters: the last step has the bits of its `cluster_centers_`, and the
    inertias are those of its `history_` and, of the last step, its `inertia_`.

    Parameters
    ----------
    X : as in `KMeans.fit`
        Rows to cluster.
    n_clusters : int
        Number of clusters.
    init : str, array-like of shape (n_clusters, n_features), fitted model or callable
        Seeding method, or the first centroids, as in `KMeans`.
    max_iter : int
        Maximum number of iterations.
    tol : float
        Stop when `shift` is at most `tol` times the mean variance of the features. With 0, iterate
        until no centroid moves.
    empty_cluster : {'relocate', 'keep'}
        Move the centroid of an empty cluster to a far row, or keep it where it is.
    random_state : int, RandomState instance or None
        Seed of the draws.
    sample_weight : array-like of the row shape, or None
        Weight of each row.
    mask : array-like of the row shape, bool, or None
        False for rows that are left out.
    feature_dim : str, int or sequence of them, or None
        Feature dimension(s) of N-d data, as in `KMeans`.
    nodata : 'auto', None, float or sequence of floats
        Values of rows that are left out, as in `KMeans`.
    memory_limit : str, int or None
        Peak memory of the process, as in `KMeans`.

    Returns
    -------
    iterator of LloydStep
        With the attributes `iteration`, `centroids`, `previous`, `inertia`, `shift`, `moves`,
        `counts` and `stop_reason`, and the method ``labels(X)``; `streamkm.plot.step` draws it. A
        step is computed when it is requested, so leaving the loop saves the remaining reads.

    Raises
    ------
    DataError
        If the data cannot be clustered; the message names the cause and the fix.
    MemoryLimitError
        If the work does not fit `memory_limit`.

    Examples
    --------
    >>> import numpy as np, streamkm
    >>> x = np.array([[0.0], [1.0], [5.0], [9.0], [10.0]])
    >>> for step in streamkm.iterate(x, 2, init=np.array([[0.0], [1.0]]), tol=0):
    ...     centres = step.centroids.ravel().round(2).tolist()
    ...     print(step.iteration, step.labels(x), centres, round(step.inertia, 2))
    0 [0 1 1 1 1] [0.0, 1.0] 161.0
    1 [0 0 1 1 1] [0.0, 6.25] 24.19
    2 [0 0 1 1 1] [0.5, 8.0] 14.5
    3 [0 0 1 1 1] [0.5, 8.0] 14.5
    >>> step.stop_reason, step.shift, step.counts.tolist()
    ('nothing moved', 0.0, [2.0, 3.0])
    """
    model = KMeans(
        n_clusters,
        init=init,
        n_init=1,
        max_iter=max_iter,
        tol=tol,
        algorithm="lloyd",
        empty_cluster=empty_cluster,
        random_state=random_state,
        feature_dim=feature_dim,
        nodata=nodata,
        memory_limit=memory_limit,
    )
    options = StepOptions(**vars(model._options()))
    _, prepared = model._prepare(X, sample_weight, mask, None, options)
    return _steps(model, prepared)


def _steps(model: KMeans, prepared: PreparedFit) -> Iterator[LloydStep]:
    """The steps of a fit: each is complete once the read under its centroids has ended."""
    names, before, number = prepared.rows.layout.names, None, 0
    previous: Float64Array | None = None
    for state in steps(prepared):
        (trajectory,) = state.trajectories
        now = trajectory.state
        if before is not None and len(trajectory.history) > number:
            assert isinstance(now, CountedState)
            assert now.counts is not None
            inertia = trajectory.history[number].inertia
            step = _step(model, before, names, inertia, now.counts, previous)
            yield step
            previous = step.centroids
            number += 1
        if state.done:
            assert trajectory.inertia is not None
            assert trajectory.counts is not None
            yield _step(model, state, names, trajectory.inertia, trajectory.counts, previous)
        before = state


def _step(
    model: KMeans,
    state: FitState,
    names: tuple[str, ...] | None,
    inertia: float,
    counts: Float64Array,
    previous: Float64Array | None,
) -> LloydStep:
    """The step of the centroids of a state."""
    (trajectory,) = state.trajectories
    history = trajectory.history
    assert trajectory.centroids is not None
    own = copy(model)
    own._take(trajectory.centroids.copy(), state.scaling, names)
    centroids = own.cluster_centers_.copy()
    counts = counts.copy()
    centroids.setflags(write=False)
    counts.setflags(write=False)
    shift = history[-1].shift if history else np.nan
    reason = trajectory.stop_reason if state.done else None
    return LloydStep(len(history), centroids, inertia, shift, counts, reason, previous, own)
