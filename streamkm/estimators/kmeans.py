"""k-means as a scikit-learn estimator."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from streamkm.errors import DataError
from streamkm.estimators.lloyd import LloydEstimator
from streamkm.estimators.opening import all_or_nothing, given_centroids
from streamkm.rows import among, check_digits
from streamkm.runs.options import FitOptions

_EXACT = 2.0**53  # beyond, float64 does not hold every whole number


class KMeans(LloydEstimator):
    """Exact k-means (Lloyd) for data of any size.

    The data are read block by block, twice for seeding and at most once an iteration; memory
    is bounded by the blocks in flight. The same data, block plan and seed give the same bits on
    every Dask scheduler.

    Parameters
    ----------
    n_clusters : int, default=8
    init : str, array of shape (k, d), fitted model or callable, default='auto'
        Name of a seeding method, or the centroids. 'auto' is 'coreset', which takes two reads and a
        search in memory. docs/seeding.md lists all methods, and so does the error for an unknown
        name. A callable ``init(X, n_clusters, random_state)`` returns the centroids for rows in
        memory only; it is called once for each restart.
    n_init : 'auto' or int, default='auto'
        Restarts; all share each read. 'auto' is 10 for 'random' and for a function, else 1.
    restarts : {'all', 'halving'}, default='all'
        'halving' drops the worse half of the restarts after 2, 4, 8, ... iterations.
    max_iter : int, default=300
        Of exact steps; those by which kept rows settle are not counted.
    tol : float, default=1e-4
        Stop when the sum of squared centroid moves is at most `tol` times the mean variance of the
        features. 0 runs until nothing moves, with `loss_tol=None`.
    verbose : int, default=0
        Print a line a read, and how it ended.
    random_state : int, RandomState instance or None, default=None
    copy_x : bool, default=True
        As in scikit-learn; the data are never changed either way.
    algorithm : {'auto', 'lloyd'}, default='auto'
        How a read is used where data are not in memory. 'lloyd' makes Lloyd's steps, several from
        one read while the rows it kept decide them. 'auto' then goes on with those rows alone
        until they settle, which needs the fewest reads: other steps, to a minimum as good.
    loss_tol : float, None or 'auto', default='auto'
        Stop when (J[t-1] - J[t]) / J[t] is under it. 'auto' is 1e-3 after a coreset, whose search
        has converged in memory, as long as an iteration costs a read; else it is off.
    distortion_tol : float or None, default=None
        Stop when the mean squared distance drops by less, in squared data units.
    time_limit : float or None, default=None
        Seconds after which no further iteration begins. A search in memory ends after its current
        step, with the best centroids so far; `stop_reason_` is then 'time limit'.
    empty_cluster : {'relocate', 'keep'}, default='relocate'
        Move an empty cluster to the row farthest from its centroid (a further read, only then),
        or keep its centroid where it is. It is never set to zero.
    feature_dim : str, int or sequence of them, default=None
        The feature dimension(s) of N-d data; all others are rows. A Dataset's features are its
        variables.
    scale : {None, 'standard', 'robust'}, default=None
        How features are scaled: 'standard' by mean and standard deviation, 'robust' by the median
        and the distance of the quartiles. It costs a read; rows are scaled as they are used.
    nodata : 'auto', None, float or sequence of floats, default='auto'
        Rows that have one of these values in any feature are left out. 'auto' is NaN in a
        DataArray of floats, and what such an array, or a Zarr array, names as its `_FillValue`,
        `missing_value` or `nodata`; nothing in other data. What is masked in a masked array, or
        in the blocks of a Dask array, is left out whatever is given here.
    memory_limit : str, int or None, default=None
        Peak memory of the process, such as '2GiB'; blocks are planned to keep it. The process
        itself is reckoned at 256 MiB: what else it has loaded and holds comes on top. From the
        first use on, all its threads allocate from one heap (glibc).
    checkpoint : path, URL, Zarr store or None, default=None
        Where the fit keeps its state, at most `checkpoint_every` seconds old. The same `fit` again,
        in any process, goes on from there; of other data or parameters it is refused.
    checkpoint_every : float, default=60.0
        Seconds.

    Attributes
    ----------
    cluster_centers_ : ndarray of shape (n_clusters, n_features), float64, in units of the data
    labels_ : of the kind that came in: an int32 ndarray; or a lazy array in the shape of the rows,
        of the smallest unsigned dtype, which costs a read when computed
    inertia_ : float, sum of squared distances of rows to `cluster_centers_`, weighted; of scaled
        rows where there is a scale
    n_iter_ : int
    history_ : structured ndarray of shape (n_iter_,), with 'inertia' (of the centroids that entered
        the iteration), 'shift', 'empty', 'relocated', and 'read', whether it went over
        all rows
    n_passes_ : int, reads of the data, seeding and labelling included
    bytes_read_ : int, decoded bytes of those reads
    reads_ : dict, reads and bytes of each phase: 'seeding', 'iterations', 'labelling'
    stop_reason_ : str, the rule that ended the fit
    n_features_in_ : int
    feature_names_in_ : ndarray of str, where the data name their features

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
        feature_dim: Any = None,
        scale: str | None = None,
        nodata: Any = "auto",
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
        self.feature_dim = feature_dim
        self.scale = scale
        self.nodata = nodata
        self.memory_limit = memory_limit
        self.checkpoint = checkpoint
        self.checkpoint_every = checkpoint_every

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, mask: Any = None) -> Self:
        """Find the centroids.

        Parameters
        ----------
        X : array-like or data frame, Dask array or data frame, zarr.Array, xarray.DataArray or
            Dataset, numpy.memmap, h5py.Dataset, or path or URL of a Zarr array
            Of shape (n_samples, n_features), or N-d with `feature_dim` set.
        y : ignored
        sample_weight : array of the row shape, of any of those kinds, or None
        mask : likewise; rows where it is False are left out

        Returns
        -------
        self

        Raises
        ------
        streamkm.errors.DataError
            A ValueError that names what is wrong with the data and the fix.
        streamkm.errors.MemoryLimitError
            When the work cannot be held to `memory_limit`.
        streamkm.errors.CheckpointError
            When `checkpoint` is of another fit or data, or in use.
        """
        with all_or_nothing(self):
            return self._fit(X, sample_weight, mask)

    def refit(self, X: Any, sample_weight: Any = None, mask: Any = None) -> Self:
        """Fit anew, and number the clusters so that each keeps the number of the one it was.

        Old and new centroids are matched one to one, at the least sum of squared distances
        (scipy's `linear_sum_assignment`). With `init=model.cluster_centers_` the fit also starts
        there. The data need the same features; by name in any order, where both have names.

        Parameters
        ----------
        X, sample_weight, mask : as for `fit`
        """
        check_is_fitted(self)
        with all_or_nothing(self):
            return self._fit(X, sample_weight, mask, like=(self._centroids, self._scaling))

    @classmethod
    def from_centroids(cls, centroids: Any, **parameters: Any) -> Self:
        """A model of known centroids, which it never moves: ready to predict.

        Parameters
        ----------
        centroids : array-like or table of shape (k, d), whose names of features are kept
        **parameters : of the estimator, but for `scale`

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
            raise DataError("a scale is learned by fit; give centroids of unscaled rows.")
        spread = float(np.ptp(known, axis=0).max())
        if len(known) > 1 and (spread > 0 or np.abs(known).max() > _EXACT):
            check_digits(known, spread)
        scaling = FitOptions(metric=cls._metric).scaling
        model._take(among(known, scaling), scaling, names)
        return model

    def __sklearn_clone__(self) -> Self:
        """A clone that still begins with the fitted model it was given."""
        copy: Self = super().__sklearn_clone__()
        if hasattr(self.init, "cluster_centers_"):
            copy.init = self.init
        return copy
