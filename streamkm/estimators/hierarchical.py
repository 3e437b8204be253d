"""Hierarchical k-means as a scikit-learn estimator."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from streamkm.arrays import Float64Array
from streamkm.engine import write_rows
from streamkm.estimators.centroids import CentroidEstimator
from streamkm.estimators.messages import print_state
from streamkm.estimators.opening import all_or_nothing, data_options
from streamkm.estimators.parameters import checked_random_state, fit_options
from streamkm.fitting import with_scaling
from streamkm.numbers import whole_number
from streamkm.outputs import local
from streamkm.passes import Labels, PerRow, RoutedLabels, Routes
from streamkm.runs.growing import grow
from streamkm.runs.hierarchy import prepare_hierarchy
from streamkm.runs.hierarchy_options import HierarchyOptions
from streamkm.runs.options import draw_seed
from streamkm.runs.routing import routes_of
from streamkm.runs.sampling import HOW, sample_rows
from streamkm.showing.verbose import verbose_progress

_HOW = ("exact", "routed")


class HierarchicalKMeans(CentroidEstimator):
    """Hierarchical k-means: levels of clusters, for 10,000 to 1,000,000 clusters.

    A level is split from the level above it: one read writes the rows grouped by cluster to a
    folder, and each group is then fitted once in memory. So a fit takes the reads of a `KMeans`
    with the clusters of the top level, and one read for each further level that is split.

    Parameters
    ----------
    n_clusters : int or sequence of int, default=8
        Number of clusters of the lowest level; `levels` levels are split, the number of whose
        clusters is a geometric series. Or the numbers of clusters of all levels, the largest first,
        such as [10000, 500, 50]: each level above the lowest clusters the centroids of the level
        below.
    levels : int, default=2
        Number of levels, if `n_clusters` is a single number or `branching` is given.
    branching : int or None, default=None
        Split every cluster into so many, so that the levels have ``branching``, ``branching**2``,
        ... clusters; `n_clusters` is then not used. With None, a cluster is split into a number of
        clusters in proportion to its rows.
    groups : int or 'auto', default='auto'
        For a sequence of `n_clusters`: the lowest level is fitted in so many groups of rows. 1 fits
        it to all rows; 'auto' means 1 up to 2,048 clusters, and their square root for more.
    resampling : int, default=0
        Rounds after every fit, in which the `resampled_rows` rows nearest to each centroid are
        fitted again, so that centroids spread evenly instead of following the density [1]_. Rounds
        of a fit to all rows take one read each.
    resampled_rows : int, default=10
        Rows of each cluster in a round.
    level_weights : {'counts', 'equal'}, default='counts'
        Weights of the centroids that a level above the lowest clusters: their rows, or equal
        weights, as in [1]_.
    metric : {'euclidean', 'cosine'}, default='euclidean'
        Distance; 'cosine' is that of `SphericalKMeans`.
    init : str, default='auto'
        Name of a seeding method, as for `KMeans`.
    n_init : int, default=1
        Restarts of every fit.
    random_state : int, RandomState instance or None, default=None
        Seed of all draws.
    verbose : int, default=0
        If not 0, show the progress, as for `KMeans`.
    max_iter : int, default=300
        Maximum number of iterations of every fit.
    tol : float, default=1e-4
        Tolerance of every fit, as for `KMeans`.
    feature_dim : str, int or sequence of them, default=None
        Feature dimension(s) of N-d data, as for `KMeans`.
    nodata : 'auto', None, float or sequence of floats, default='auto'
        Values of rows that are left out, as for `KMeans`.
    memory_limit : str, int or None, default=None
        Peak memory of the process, as for `KMeans`.
    checkpoint : str, path-like or None, default=None
        Local folder for the rows by group and all finished parts of the work; on a cluster, all
        workers must share it. The same fit with the same folder resumes. With None, a temporary
        folder is used, whose disk (see `tempfile.gettempdir`) needs the space of the rows.

    Attributes
    ----------
    history_, n_iter_ : as of `KMeans`, of the fit to all rows
    cluster_centers_, labels_, inertia_, counts_, n_passes_, n_features_in_ : as of `KMeans`
        Of the lowest level. `labels_` are nearest centroids, and `inertia_` and `counts_` those of
        the assignment of the fit, in which a row belongs to a cluster of its group.
    level_centers_ : list of ndarray of shape (k, n_features)
        Centroids of each level, the lowest first.
    hierarchy_ : Hierarchy
        The levels above the lowest.
    parents_ : list of ndarray of shape (k,), int64
        Of each level but the top: the cluster of the level above, in ascending order.
    routing_ : Routing
        Routed and exact labels of a sample of rows: `differing` is the share of rows whose routed
        label is not the nearest leaf; `routed` and `exact` are mean squared distances. A comparison
        with the centroids of a fit to all rows is not part of it.

    References
    ----------
    .. [1] H. V. Vo et al., "Automatic data curation for self-supervised learning: a
       clustering-based approach", 2024, arXiv:2405.15613.

    Examples
    --------
    >>> import numpy as np, streamkm
    >>> x = np.random.default_rng(0).normal(size=(600, 2))
    >>> km = streamkm.HierarchicalKMeans(levels=2, branching=4, random_state=0).fit(x)
    >>> [len(centers) for centers in km.level_centers_], km.parents_[0][:6].tolist()
    ([16, 4], [0, 0, 0, 0, 1, 1])
    >>> bool(np.mean(km.predict(x, how="routed") == km.labels_) > 0.8)
    True
    """

    def __init__(
        self,
        n_clusters: Any = 8,
        *,
        levels: int = 2,
        branching: int | None = None,
        groups: int | str = "auto",
        resampling: int = 0,
        resampled_rows: int = 10,
        level_weights: str = "counts",
        metric: str = "euclidean",
        init: str = "auto",
        n_init: int = 1,
        random_state: Any = None,
        verbose: int = 0,
        max_iter: int = 300,
        tol: float = 1e-4,
        feature_dim: Any = None,
        nodata: Any = "auto",
        memory_limit: str | int | None = None,
        checkpoint: Any = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.levels = levels
        self.branching = branching
        self.groups = groups
        self.resampling = resampling
        self.resampled_rows = resampled_rows
        self.level_weights = level_weights
        self.metric = metric
        self.init = init
        self.n_init = n_init
        self.random_state = random_state
        self.verbose = verbose
        self.max_iter = max_iter
        self.tol = tol
        self.feature_dim = feature_dim
        self.nodata = nodata
        self.memory_limit = memory_limit
        self.checkpoint = checkpoint

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, mask: Any = None) -> Self:
        """Fit all levels.

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
            If the data cannot be clustered.
        CheckpointError
            If the folder `checkpoint` belongs to another fit or holds something else.
        """
        with all_or_nothing(self):
            return self._fit(X, sample_weight, mask)

    def _fit(self, X: Any, sample_weight: Any, mask: Any) -> Self:
        options = self._options()
        given, data = data_options(self, X, sample_weight, mask, None)
        prepared = prepare_hierarchy(data, options)
        with (
            _folder(self.checkpoint) as folder,
            verbose_progress(self.verbose, prepared.rows, print_state) as progress,
        ):
            result = grow(prepared, folder, progress=progress)
        layout = prepared.rows.layout
        self._take(result.leaves, result.scaling, layout.names)
        self._set_units(layout.units)
        self.hierarchy_, self.routing_ = result.hierarchy, result.routing
        self.inertia_, self.counts_ = result.inertia, result.counts
        self.history_, self.n_iter_ = result.history, len(result.history)
        self.n_passes_ = result.n_passes
        self.bytes_read_ = int(result.n_passes * layout.nbytes)
        rows = with_scaling(prepared.rows, result.scaling)
        labels = given.empty_labels(len(result.leaves), rows)
        if labels is not None:
            write_rows(Labels(self._centroids, labels.dtype), rows, labels)
        self._set_labels(given, rows, labels)
        return self

    def predict(self, X: Any, mask: Any = None, how: str = "exact") -> Any:
        """Return the cluster of the lowest level of every row.

        Parameters
        ----------
        X : as in `fit`
            Rows with the features of the fit.
        mask : array-like of the row shape, bool, or None
            False for rows that are left out.
        how : {'exact', 'routed'}
            'exact' finds the nearest centroid of all. 'routed' follows the nearest centroid of each
            level, which compares a row with far fewer centroids and may miss the nearest of all.

        Returns
        -------
        int32 ndarray of shape (n_samples,), or an array of the row shape
            As `KMeans.predict`. Ties go to the lowest index. ``parents_[0][labels]`` are the
            clusters of the next level.

        Raises
        ------
        DataError
            If the features are not those of the fit.

        Examples
        --------
        >>> import numpy as np, streamkm
        >>> x = np.random.default_rng(0).normal(size=(200, 2))
        >>> km = streamkm.HierarchicalKMeans([9, 3], random_state=0).fit(x)
        >>> np.array_equal(km.predict(x), km.labels_)
        True
        """
        check_is_fitted(self)
        _check_how("how", how, _HOW)
        given, rows = self._rows(X, None, mask)
        question: PerRow[Any] = self._labels(given, rows)
        if how == "routed":
            question = RoutedLabels(self._routes, question.dtype)
        return self._answer(given, question, rows)

    def sample(
        self,
        X: Any,
        n: int,
        how: str = "hierarchical",
        *,
        assign: str = "exact",
        mask: Any = None,
        random_state: Any = None,
    ) -> Any:
        """Draw a balanced sample of rows, in two reads.

        Parameters
        ----------
        X : as in `fit`
            Rows with the features of the fit.
        n : int
            Number of rows.
        how : {'hierarchical', 'flat'}
            'hierarchical' divides the rows equally among the clusters of the top level, and those
            of each cluster equally among its children. 'flat' divides them equally among the
            clusters of the lowest level. A cluster with fewer rows than its share gives all of
            them, and the surplus is divided among the others.
        assign : {'exact', 'routed'}
            Clusters of the rows, as the `how` of `predict`.
        mask : array-like of the row shape, bool, or None
            False for rows that are left out.
        random_state : int, RandomState instance or None
            Seed of the draws.

        Returns
        -------
        ndarray of shape (n,), int64
            Row numbers in C order over the row axes, ascending; all rows if there are fewer.

        Raises
        ------
        DataError
            If the features are not those of the fit.

        Examples
        --------
        >>> import numpy as np, streamkm
        >>> x = np.concatenate([np.zeros((90, 1)), np.full((10, 1), 9.0)])
        >>> x += np.random.default_rng(0).normal(size=(100, 1)) / 9
        >>> km = streamkm.HierarchicalKMeans([4, 2], random_state=0).fit(x)
        >>> rows = km.sample(x, 12, random_state=0)
        >>> len(rows), int(np.sum(rows >= 90))
        (12, 6)
        """
        check_is_fitted(self)
        _check_how("how", how, HOW)
        _check_how("assign", assign, _HOW)
        n, seed = whole_number("n", n, 1), draw_seed(checked_random_state(random_state))
        _, rows = self._rows(X, None, mask, ranked=1, count=True)
        routes = self._routes if assign == "routed" else None
        return sample_rows(rows, self._centroids, self.hierarchy_, routes, n, how, seed)

    @property
    def level_centers_(self) -> list[Float64Array]:
        """Centroids of each level in the units of the data, the lowest first."""
        above = self.hierarchy_.centroids
        scaling = self._scaling
        shown = above if scaling is None else tuple(map(scaling.back, above))
        return [np.asarray(self.cluster_centers_), *shown]

    @property
    def parents_(self) -> list[Any]:
        """Of each level but the top: the cluster of the level above."""
        return list(self.hierarchy_.parents)

    @property
    def _routes(self) -> Routes:
        return routes_of(self.hierarchy_, self._centroids)

    def _options(self) -> HierarchyOptions:
        """The checked options of the run."""
        if not isinstance(self.init, str):
            raise ValueError(
                "init must be the name of a seeding method, because it seeds all fits."
            )
        if self.metric not in ("euclidean", "cosine"):
            raise ValueError(f"metric={self.metric!r}; use 'euclidean' or 'cosine'.")
        fit = fit_options(self, n_clusters=1)
        return HierarchyOptions.from_parameters(self.get_params(deep=False), fit)


def _check_how(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name}={value!r}; use {' or '.join(map(repr, choices))}.")


@contextmanager
def _folder(checkpoint: Any) -> Iterator[Path]:
    """The folder of the steps: that of the user, which stays, or a temporary one."""
    if checkpoint is not None:
        yield local(checkpoint)
        return
    with tempfile.TemporaryDirectory(prefix="streamkm-") as folder:
        yield Path(folder)
