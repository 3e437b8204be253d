"""k-means as a scikit-learn estimator."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from streamkm.errors import DataError
from streamkm.estimators.iterative import IterativeEstimator
from streamkm.estimators.opening import all_or_nothing, given_centroids
from streamkm.passes import LabelsObserved, LloydObserved, Pass, PerRow
from streamkm.rows import among, check_digits
from streamkm.runs.fit_options import FitOptions

_EXACT = 2.0**53  # float64 does not hold all larger integers


class KMeans(IterativeEstimator):
    """Exact k-means for data of any size.

    Data are read in blocks: twice for the seeding, and at most once for an iteration. Memory is
    bounded by the blocks in flight. The same data, block plan and seed give the same bits on every
    Dask scheduler.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters.
    init : {'auto', 'coreset', 'two-level', 'k-means||', 'k-means++', 'random', 'farthest'}, \
array-like of shape (n_clusters, n_features), fitted model or callable, default='auto'
        Seeding method, or the first centroids.

        - 'auto' is 'coreset': two reads and a search in memory. From 2,000 clusters on it is
          'two-level': two reads and a search in each of about ``sqrt(n_clusters)`` groups. Fewer
          clusters whose centroids (float64) take 32 MiB or more begin with 'random'.
        - 'k-means||' takes four reads and 'random' one read.
        - 'k-means++' (not greedy) and 'farthest' take one read for each centroid.
        - An array, a table or a fitted model gives the first centroids. Named features are put in
          the order of the data.
        - A callable `init(X, n_clusters, random_state)` returns such an array. It is called once
          for each restart, and only for arrays in memory.
    n_init : 'auto' or int, default='auto'
        Number of restarts; all restarts share each read. 'auto' is 10 for 'random' and for a
        callable, otherwise 1.
    restarts : {'all', 'halving'}, default='all'
        'halving' drops the worse half of the restarts after 2, 4, 8, ... iterations.
    max_iter : int, default=300
        Maximum number of exact iterations. Iterations on boundary rows alone are not counted.
    tol : float, default=1e-4
        Stop when the sum of squared centroid moves is at most `tol` times the mean variance of the
        features. With 0 and `loss_tol=None`, iterate until no centroid moves.
    verbose : int, default=0
        If not 0, print a line for each read, and the reason for the end. The running read (its
        share, rate and time left) is a bar in a notebook or on the standard error stream, or a line
        every five seconds where that is not a terminal.
    random_state : int, RandomState instance or None, default=None
        Seed of all draws. Use an int for reproducible results.
    copy_x : bool, default=True
        Accepted for compatibility with scikit-learn; the data are never changed.
    algorithm : {'auto', 'lloyd'}, default='auto'
        How a read is used if the data are not in memory. 'lloyd' makes exact Lloyd iterations,
        several for one read as long as the boundary rows of that read decide them. 'auto' then
        iterates on the boundary rows alone until they settle. It takes fewer reads and ends in
        another minimum of similar loss.
    loss_tol : float, None or 'auto', default='auto'
        Stop when the relative decrease of the loss in an iteration is less than this. 'auto' is
        1e-3 after a coreset while an iteration takes a read, otherwise None (no such rule).
    distortion_tol : float or None, default=None
        Stop when the mean squared distance decreases by less than this, in squared data units.
    time_limit : float or None, default=None
        Seconds after which no further iteration starts. A search in memory ends after its current
        step, with the best centroids so far. `stop_reason_` is then 'time limit'.
    empty_cluster : {'relocate', 'keep'}, default='relocate'
        Move the centroid of an empty cluster to the row farthest from its centroid, which takes
        a read, or keep it where it is. With bounded sizes, it always stays.
    min_size, max_size : int or None, default=None
        Least and most rows of each cluster. `labels_` hold these bounds exactly, at nearly the
        least loss; `predict` returns the nearest centroid as always. The bounds count rows, so
        they exclude `sample_weight`. docs/very-large-k.md describes the method.
    feature_dim : str, int, sequence of them or None, default=None
        Feature dimension or dimensions of N-d data; all others are rows. The features of a Dataset
        are its variables.
    scale : {None, 'standard', 'robust'}, default=None
        Scale features by mean and standard deviation, or by median and interquartile range. The
        scale takes one more read; rows are scaled when they are used.
    nodata : 'auto', None, float or sequence of float, default='auto'
        Rows that have one of these values in any feature are left out. 'auto' is NaN for a
        DataArray of floats, and the `_FillValue`, `missing_value` or `nodata` attribute of a
        DataArray or a Zarr array. Masked values of masked arrays are always left out.
    missing : {None, 'impute'}, default=None
        With None, rows with missing values (`nodata`) are left out. With 'impute', all rows with a
        value take part, by the squared differences of their observed values (k-POD [2]_): NaN is a
        gap, too, and the means are those of observed values. It excludes bounded sizes and
        ``scale='robust'``. Each iteration takes a read. docs/missing.md describes the method and
        when it is biased.
    memory_limit : str, int or None, default=None
        Peak memory of the process, in bytes or as a string such as '2GiB'. Blocks are planned to
        stay below it. 256 MiB are reserved for the process itself; other data in the process are
        not counted.
    checkpoint : path, URL, Zarr store or None, default=None
        Where the state of the fit is saved. The same `fit`, or the same ``streamkm fit``, resumes
        from it, in any process.
    checkpoint_every : float, default=60.0
        Minimum number of seconds between two saved states.

    Attributes
    ----------
    cluster_centers_ : ndarray of shape (n_clusters, n_features), float64
        Centroids, in the units of the data.
    labels_ : array of the row shape
        Labels of the kind of the data: an int32 ndarray for arrays in memory; a lazy array of the
        smallest unsigned dtype for lazy data, which takes a read when it is computed.
    inertia_ : float
        Weighted sum of squared distances of rows to their centroids, of scaled rows if there is a
        scale.
    n_iter_ : int
        Number of iterations.
    history_ : structured ndarray of shape (n_iterations,)
        'inertia' (of the centroids before the iteration), 'shift' (sum of squared moves), 'empty'
        and 'relocated' (numbers of clusters), and 'read' (whether the iteration took a read).
    n_passes_ : int
        Number of reads of the data, for seeding, iterations and labels together. If all distinct
        rows fit in memory, it is 1 without the labels, because no further read is needed.
    bytes_read_ : int
        Decoded bytes of these reads.
    reads_ : dict
        Reads and bytes of each phase: 'opening', 'seeding', 'iterations', 'labelling'.
    stop_reason_ : str
        The rule that ended the fit.
    counts_ : ndarray of shape (n_clusters,), float64
        Weight of the rows of each cluster; without weights, their number.
    unbounded_inertia_ : float
        With `min_size` or `max_size`: the loss of the same centroids if every row were in its
        nearest cluster. The difference from `inertia_` is the price of the bounds.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,), object
        Names of the features, if the data have names.
    feature_units_ : ndarray of shape (n_features,), object
        Units of the features, empty if one has none; only if the data have the attribute `units`.

    Notes
    -----
    Lloyd's algorithm [1]_. docs/seeding.md describes the seeding methods, and docs/reads.md how
    boundary rows save reads.

    References
    ----------
    .. [1] S. Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory
       28 (2), 1982.
    .. [2] J. T. Chi, E. C. Chi and R. G. Baraniuk, "k-POD: a method for k-means clustering of
       missing data", The American Statistician 70 (1), 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from streamkm import KMeans
    >>> x = np.arange(20).reshape(5, 4)
    >>> km = KMeans(2, init=np.array([[3, 4, 5, 6], [7, 8, 9, 10]]), max_iter=10).fit(x)
    >>> float(km.history_["inertia"][0])
    468.0
    >>> km.labels_.tolist()
    [0, 0, 1, 1, 1]
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Any = "auto",
        n_init: int | str = "auto",
        restarts: str = "all",
        max_iter: int = 300,
        tol: float = 1e-4,
        verbose: int = 0,
        random_state: Any = None,
        copy_x: bool = True,
        algorithm: str = "auto",
        loss_tol: float | str | None = "auto",
        distortion_tol: float | None = None,
        time_limit: float | None = None,
        empty_cluster: str = "relocate",
        min_size: int | None = None,
        max_size: int | None = None,
        feature_dim: Any = None,
        scale: str | None = None,
        nodata: Any = "auto",
        missing: str | None = None,
        memory_limit: str | int | None = None,
        checkpoint: Any = None,
        checkpoint_every: float = 60.0,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.restarts = restarts
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose
        self.random_state = random_state
        self.copy_x = copy_x
        self.algorithm = algorithm
        self.loss_tol = loss_tol
        self.distortion_tol = distortion_tol
        self.time_limit = time_limit
        self.empty_cluster = empty_cluster
        self.min_size = min_size
        self.max_size = max_size
        self.feature_dim = feature_dim
        self.scale = scale
        self.nodata = nodata
        self.missing = missing
        self.memory_limit = memory_limit
        self.checkpoint = checkpoint
        self.checkpoint_every = checkpoint_every

    def refit(self, X: Any, sample_weight: Any = None, mask: Any = None) -> Self:
        """Fit again, and number the clusters like those of the previous fit.

        Old and new centroids are matched one to one, with the least sum of squared distances
        (`scipy.optimize.linear_sum_assignment`). With `init=model.cluster_centers_` the fit also
        starts from the old centroids.

        Parameters
        ----------
        X : as in `fit`
            Data of the same features, in any order if both have names.
        sample_weight : array of the row shape or None, default=None
            Weight of each row.
        mask : array of the row shape or None, default=None
            Rows where it is False are left out.

        Returns
        -------
        KMeans
            Fitted estimator.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If there is no previous fit.
        streamkm.errors.DataError
            If the data cannot be clustered, or have other features.

        Examples
        --------
        >>> import numpy as np, streamkm
        >>> x = np.array([[0.0], [1.0], [9.0], [10.0]])
        >>> km = streamkm.KMeans(2, init=np.array([[9.0], [0.0]])).fit(x)
        >>> km.refit(x + 0.5).labels_.tolist()
        [1, 1, 0, 0]
        """
        check_is_fitted(self)
        with all_or_nothing(self):
            return self._fit(X, sample_weight, mask, like=(self._centroids, self._scaling))

    @classmethod
    def from_centroids(cls, centroids: Any, **parameters: Any) -> Self:
        """Create a fitted model of known centroids.

        Parameters
        ----------
        centroids : array-like or table of shape (n_clusters, n_features)
            Centroids in the units of the data. The names of the features of a table are kept.
        **parameters : of the estimator, except `scale`
            Used by later calls, such as `nodata` by `predict`.

        Returns
        -------
        KMeans
            Fitted estimator.

        Raises
        ------
        streamkm.errors.DataError
            If the centroids are not finite or not of two dimensions, or if `scale` is set.

        Examples
        --------
        >>> import numpy as np, streamkm
        >>> model = streamkm.KMeans.from_centroids([[0.0, 0.0], [9.0, 9.0]])
        >>> model.predict(np.array([[1.0, 2.0], [8.0, 7.0]])).tolist()
        [0, 1]
        """
        known, names = given_centroids(centroids)
        if known.ndim != 2 or not np.isfinite(known).all():
            raise DataError("centroids must be finite and of shape (k, d).")
        model = cls(len(known), **parameters)
        if model.scale is not None:
            raise DataError(
                "scale is learned by fit and does not apply here; give centroids of unscaled rows."
            )
        spread = float(np.ptp(known, axis=0).max())
        if len(known) > 1 and (spread > 0 or np.abs(known).max() > _EXACT):
            check_digits(known, spread)
        scaling = FitOptions(metric=cls._metric).scaling
        model._take(among(known, scaling), scaling, names)
        return model

    def _question(self, dtype: np.dtype[Any]) -> PerRow[Any]:
        if self.missing is None:
            return super()._question(dtype)
        return LabelsObserved(self._centroids, dtype)

    def _loss_pass(self) -> Pass[Any]:
        return super()._loss_pass() if self.missing is None else LloydObserved(self._centroids)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing is not None
        return tags

    def __sklearn_clone__(self) -> Self:
        """Clone the estimator with the fitted model in `init`, which `clone` would reset."""
        copy: Self = super().__sklearn_clone__()
        if hasattr(self.init, "cluster_centers_"):
            copy.init = self.init
        return copy
