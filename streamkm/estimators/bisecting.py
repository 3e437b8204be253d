"""Bisecting k-means as a scikit-learn estimator."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from streamkm.engine import caching, map_rows, write_rows
from streamkm.estimators.centroids import CentroidEstimator
from streamkm.estimators.opening import all_or_nothing
from streamkm.estimators.parameters import fit_options
from streamkm.fitting import (
    FitState,
    bisect,
    first_state,
    fit_budget,
    learn_scaling,
    restart_seeds,
    with_scaling,
)
from streamkm.passes import Closest, PerRow, Tree, TreeLabels
from streamkm.rows import Budget, Rows
from streamkm.runs.options import FitOptions, check_enough, draw_seed, memory_bytes
from streamkm.updates import LossesUpdate

STRATEGIES = ("biggest_inertia", "largest_cluster")


class BisectingKMeans(CentroidEstimator):
    """Bisecting k-means (Steinbach, Karypis and Kumar 2000), as in scikit-learn.

    The cluster of the largest loss, or the heaviest, is split by a fit with two clusters, until
    there are `n_clusters`. Each split reads the data as a fit of k=2 does, two to five times, and
    no split reads them where they fit in memory or have few distinct rows. A row's label is the
    leaf it comes to, which need not be the nearest of all centroids.

    Parameters
    ----------
    n_clusters : int, default=8
    init : as for `KMeans`, default='auto'
    n_init : int, default=1
        Restarts of every split; all share each read.
    random_state : int, RandomState instance or None, default=None
    max_iter, tol : of every split, as for `KMeans`
    bisecting_strategy : {'biggest_inertia', 'largest_cluster'}, default='biggest_inertia'
    feature_dim, scale, nodata, memory_limit : as for `KMeans`

    Attributes
    ----------
    cluster_centers_, labels_, inertia_, n_passes_, bytes_read_, n_features_in_ : as of `KMeans`
    tree_ : streamkm.passes.Tree, the pairs of centroids that rows are led by

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
        self.max_iter = max_iter
        self.tol = tol
        self.bisecting_strategy = bisecting_strategy
        self.feature_dim = feature_dim
        self.scale = scale
        self.nodata = nodata
        self.memory_limit = memory_limit

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, mask: Any = None) -> Self:
        """Split until there are `n_clusters`.

        Parameters
        ----------
        X, y, sample_weight, mask : as for `KMeans.fit`

        Raises
        ------
        streamkm.errors.DataError
            Also when there are fewer distinct rows than clusters.
        """
        with all_or_nothing(self):
            return self._fit(X, sample_weight, mask)

    def _fit(self, X: Any, sample_weight: Any, mask: Any) -> Self:
        options = self._options()
        given, rows = self._rows(X, sample_weight, mask, reset=True)
        k = options.n_clusters
        check_enough(rows, k)
        entropy = draw_seed(options.random_state)
        rows = learn_scaling(rows, self.scale)
        dtype = given.label_dtype(k, rows)
        eager = not given.is_lazy
        labels: Any = np.empty(rows.layout.row_shape if eager else 0, dtype)
        with caching(rows) as held:
            self._split(held, entropy)
            if eager:
                held = with_scaling(held, self._scaling)
                write_rows(self._question(dtype), held, labels)
        if not eager:
            labels = map_rows(self._question(dtype), with_scaling(rows, self._scaling))
        self.labels_ = given.like(labels, rows, self._names())
        return self

    def _split(self, rows: Rows, entropy: int) -> None:
        asked = self._options()
        seeds = restart_seeds(entropy, asked.n_clusters * asked.n_init)
        update = LossesUpdate(asked.rules)
        heaviest = self.bisecting_strategy == "largest_cluster"

        def begin(some: Rows, k: int, split: int) -> FitState:
            room = self._budget(reset=True).room(some.layout)
            own = seeds[split * asked.n_init : (split + 1) * asked.n_init]
            return first_state(some, k, self.init, own, update, room)

        found = bisect(rows, asked.n_clusters, begin, heaviest)
        self._take(
            np.array([leaf.centroid for leaf in found.leaves]),
            found.scaling,
            rows.layout.names,
        )
        self.tree_ = found.tree
        self.inertia_ = sum(leaf.loss for leaf in found.leaves)
        self.n_passes_, self.bytes_read_ = found.reads.total, found.reads.bytes_read
        self.reads_ = found.reads.by_phase

    def _closest(self, n: int) -> Closest:
        return Closest(self._centroids, n, self._tree)

    def _question(self, dtype: np.dtype[Any]) -> PerRow[Any]:
        return TreeLabels(self._tree, dtype)

    @property
    def _tree(self) -> Tree:
        """`tree_` with `cluster_centers_`, which may have been changed, as its leaves."""
        return self.tree_.with_leaves(self._centroids)

    def _options(self) -> FitOptions:
        """The options of every split; parameters that are wrong are refused."""
        if self.bisecting_strategy not in STRATEGIES:
            raise ValueError(
                f"bisecting_strategy={self.bisecting_strategy!r}; use one of {STRATEGIES}."
            )
        if not isinstance(self.init, str):
            raise ValueError("init must be the name of a seeding method, for every split.")
        return fit_options(self)

    def _budget(self, *, reset: bool) -> Budget:
        if not reset:
            return super()._budget(reset=False)
        asked = self._options()
        return fit_budget(memory_bytes(self.memory_limit), [self.init] * asked.n_init, [2])
