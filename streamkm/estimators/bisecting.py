"""Bisecting k-means as a scikit-learn estimator."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from streamkm.estimators.centroids import CentroidEstimator
from streamkm.estimators.messages import print_state
from streamkm.estimators.opening import all_or_nothing, data_options
from streamkm.estimators.parameters import fit_options
from streamkm.passes import Closest, PerRow, Tree, TreeLabels
from streamkm.runs.bisecting import bisect, prepare_bisecting
from streamkm.runs.fit_options import FitOptions
from streamkm.showing.verbose import verbose_progress

_STRATEGIES = ("biggest_inertia", "largest_cluster")


class BisectingKMeans(CentroidEstimator):
    """Bisecting k-means, as in scikit-learn.

    The cluster of the largest loss, or of the largest weight, is split by a fit with two clusters,
    until there are `n_clusters`. Each split reads the data like a fit with k=2, two to five times;
    no split reads data that fit in memory or have few distinct rows. The label of a row is its leaf
    of the tree, which need not be the nearest of all centroids.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters.
    init : str, default='auto'
        Name of a seeding method, as for `KMeans`.
    n_init : int, default=1
        Restarts of every split; all share each read.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws.
    verbose : int, default=0
        If not 0, show the progress of every split, as for `KMeans`.
    max_iter : int, default=300
        Maximum number of iterations of every split.
    tol : float, default=1e-4
        Tolerance of every split, as for `KMeans`.
    bisecting_strategy : {'biggest_inertia', 'largest_cluster'}, default='biggest_inertia'
        Which cluster is split: that of the largest loss or of the largest weight.
    feature_dim : str, int or sequence of them, default=None
        Feature dimension(s) of N-d data, as for `KMeans`.
    scale : {None, 'standard', 'robust'}, default=None
        How features are scaled, as for `KMeans`.
    nodata : 'auto', None, float or sequence of floats, default='auto'
        Values of rows that are left out, as for `KMeans`.
    memory_limit : str, int or None, default=None
        Peak memory of the process, as for `KMeans`.

    Attributes
    ----------
    cluster_centers_, labels_, inertia_, n_passes_, bytes_read_, n_features_in_ : as of `KMeans`
    tree_ : streamkm.passes.Tree, the pairs of centroids of the splits

    References
    ----------
    M. Steinbach, G. Karypis and V. Kumar (2000). "A comparison of document clustering techniques".
    KDD Workshop on Text Mining.

    Examples
    --------
    >>> import numpy as np, streamkm
    >>> x = np.array([[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0], [10, 8]])
    >>> km = streamkm.BisectingKMeans(3, random_state=0).fit(x)
    >>> km.cluster_centers_[np.lexsort(km.cluster_centers_.T)].tolist()
    [[1.0, 2.0], [10.0, 2.0], [10.0, 8.0]]
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: str = "auto",
        n_init: int = 1,
        random_state: Any = None,
        verbose: int = 0,
        max_iter: int = 300,
        tol: float = 1e-4,
        bisecting_strategy: str = "biggest_inertia",
        feature_dim: Any = None,
        scale: str | None = None,
        nodata: Any = "auto",
        memory_limit: str | int | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.random_state = random_state
        self.verbose = verbose
        self.max_iter = max_iter
        self.tol = tol
        self.bisecting_strategy = bisecting_strategy
        self.feature_dim = feature_dim
        self.scale = scale
        self.nodata = nodata
        self.memory_limit = memory_limit

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, mask: Any = None) -> Self:
        """Split clusters until there are `n_clusters`.

        Parameters
        ----------
        X : as in `KMeans.fit`
            Rows to cluster.
        y : None
            Ignored.
        sample_weight : array-like of the row shape, or None
            Weight of each row.
        mask : array-like of the row shape, bool, or None
            False for rows that are left out.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        DataError
            If the data cannot be clustered, or there are fewer distinct rows than clusters.
        """
        with all_or_nothing(self):
            return self._fit(X, sample_weight, mask)

    def _fit(self, X: Any, sample_weight: Any, mask: Any) -> Self:
        options = self._options()
        given, data = data_options(self, X, sample_weight, mask, None)
        prepared = prepare_bisecting(data, options)
        labels = given.empty_labels(options.n_clusters, prepared.rows)
        by_weight = self.bisecting_strategy == "largest_cluster"
        with verbose_progress(self.verbose, prepared.rows, print_state) as progress:
            result = bisect(prepared, by_weight, labels, progress)
        self._take(result.centroids, result.scaling, prepared.rows.layout.names)
        self._set_units(prepared.rows.layout.units)
        self.tree_ = result.tree
        self.inertia_, self.counts_ = result.inertia, result.counts
        self.n_passes_, self.bytes_read_ = result.reads.total, result.reads.bytes_read
        self.reads_ = result.reads.by_phase
        self._set_labels(given, result.rows, labels)
        return self

    def _closest(self, n: int, keep_values: bool = True) -> Closest:
        return Closest(self._centroids, n, self._tree, keep_values)

    def _question(self, dtype: np.dtype[Any]) -> PerRow[Any]:
        return TreeLabels(self._tree, dtype)

    @property
    def _tree(self) -> Tree:
        """`tree_` with the present `cluster_centers_`, which a user may have changed, as leaves."""
        return self.tree_.with_leaves(self._centroids)

    def _options(self) -> FitOptions:
        """The checked options of every split."""
        if self.bisecting_strategy not in _STRATEGIES:
            raise ValueError(
                f"bisecting_strategy={self.bisecting_strategy!r}; use one of {_STRATEGIES}."
            )
        if not isinstance(self.init, str):
            raise ValueError(
                "init must be the name of a seeding method, because it seeds every split."
            )
        return fit_options(self)
