"""k-means of a stream as a scikit-learn estimator."""

from __future__ import annotations

from copy import copy
from typing import Any, Self

import numpy as np

from streamkm.errors import DataError
from streamkm.estimators.data import InputData
from streamkm.estimators.feeds import Consumer
from streamkm.estimators.frozen import frozen_model
from streamkm.estimators.opening import all_or_nothing, data_options, names_of
from streamkm.estimators.parameters import checked_random_state
from streamkm.estimators.summarised import Summarised
from streamkm.fitting.first import check_enough
from streamkm.heap import one_heap
from streamkm.rows import Budget, Rows, is_a, refuse_other_units
from streamkm.runs.options import memory_bytes
from streamkm.runs.refine import prepare_refining, refined, refuse_part, refuse_unequal
from streamkm.runs.stream import StreamOptions, absorb, continued
from streamkm.runs.stream_merging import Part, merge
from streamkm.runs.stream_seen import merged_seen
from streamkm.runs.update import Update
from streamkm.streaming import Summary


class StreamingKMeans(Consumer, Summarised):
    """Cluster rows that are read once, in memory that does not grow with their number.

    A weighted sample of bounded size, the summary, represents all rows seen so far. The centroids
    are searched in the summary when they are requested, and stay until more rows arrive. The same
    calls and seed give the same bits on every Dask scheduler.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters.
    summary_size : int or 'auto', default='auto'
        Number of rows to which the summary is reduced; it has up to twice as many between two
        reductions. The loss is higher than that of a fit of all rows by a share of about
        ``2 * n_clusters / summary_size``. 'auto' is ``max(65536, 256 * n_clusters)``, or fewer
        rows of 32 MiB, but at least ``max(4096, 64 * n_clusters)``. Used when a stream begins.
    half_life : float or None, default=None
        Number of rows after which a row counts half: the weight of a row that is followed by `n`
        others is multiplied by ``2 ** (-n / half_life)``. Rows that are left out count as
        followers, too. It cannot change within a stream.
    window : int or None, default=None
        Only the last `window` rows count, including those that are left out. It excludes
        `half_life`, and cannot change within a stream.
    random_state : int, RandomState instance or None, default=None
        Seed of all random draws. Used when a stream begins.
    feature_dim : str, int or sequence of them, default=None
        Feature dimension(s) of N-d data, as for `KMeans`.
    nodata : 'auto', None, float or sequence of float, default='auto'
        Rows that have one of these values in any feature are left out, as for `KMeans`.
    memory_limit : str, int or None, default=None
        Peak memory of the process, such as '2GiB', as for `KMeans`.
    refine : int, default=0
        Maximum number of iterations of `KMeans` with which `fit` and `update` continue from the
        centroids of the stream. Each takes at most one read of all rows; one more read gives the
        exact `counts_` and `inertia_`. `partial_fit` only sees rows once, so its centroids are
        those of the summary again. It excludes `half_life`, `window` and `frozen`.
    frozen : fitted estimator, path of a model, or array-like of shape (f, n_features), default=None
        Centroids that stay as they are. They are the first of the `n_clusters` clusters. Rows that
        are farther than `radius` from all of them make up to ``n_clusters - f`` new clusters, which
        are as many as their distinct rows at most. Used when a stream begins.
    radius : float or 'auto', default='auto'
        Distance from the frozen centroids, in units of the data. 'auto' is four times the root mean
        square distance of the rows of `frozen`, a model with `inertia_` and `counts_`. Used when a
        stream begins.

    Attributes
    ----------
    cluster_centers_ : ndarray of shape (n_clusters, n_features), float64
        Centroids of all rows seen so far, in units of the data. The first access after new rows
        searches the summary, in a few seconds at most. Clusters keep their numbers between
        searches; a cluster that appears takes the number of one that dies. With `frozen`, its
        centroids and those of the new clusters that were found.
    counts_ : ndarray of shape (n_clusters,), float64
        Weight of the rows of each cluster, estimated from the summary; the sum is exact, unless
        rows are forgotten. Of a frozen centroid, the exact weight of the rows within `radius` to
        which it is the nearest frozen one.
    inertia_ : float
        Weighted sum of squared distances of all rows to their centroids, in squared data units,
        estimated from the summary. It is slightly too low, because the centroids fit the summary
        best. `score` gives the exact loss of rows.
    summary_ : named tuple of `rows`, ndarray of shape (m, n_features), and `weights`, \
ndarray of shape (m,)
        The summary. Sums over its weighted rows estimate sums over all rows; with `frozen`, over
        the rows that are far from its centroids.
    drift_ : Drift or None
        Changes from the clusters of the search before, as of `streamkm.drift`; None if there was
        only one search, and for merged models. With `frozen`, the first one has the changes from
        its centroids.
    n_rows_seen_ : int
        Number of rows seen so far, without those that were left out.
    changes_ : dict of str to tuple
        What the last `update` found: 'appended', 'changed' and 'removed' extents ``(start, stop)``
        along the first row dimension.
    labels_ : ndarray of shape (n_samples,), int32, or a lazy array
        Nearest centroid of every row, as for `KMeans`; after `fit` only.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str of shape (n_features,)
        Names of the features, if the data have names.

    See Also
    --------
    KMeans : Reads the data several times, for the lowest loss.
    MiniBatchKMeans : Moves the centroids by batches; its loss depends on the order of the rows.

    Notes
    -----
    Rows are sampled by their sensitivity, as in Bachem, Lucic and Krause, "Practical coreset
    constructions for machine learning" (2017). A row keeps its random draw as long as it is in
    the summary, so repeated reductions do not add up their errors.

    Examples
    --------
    >>> import numpy as np, streamkm
    >>> rng = np.random.default_rng(0)
    >>> km = streamkm.StreamingKMeans(2, random_state=0)
    >>> for _ in range(20):
    ...     batch = rng.normal(0, 1, (500, 2)) + 9 * rng.integers(2, size=(500, 1))
    ...     km = km.partial_fit(batch)
    >>> np.sort(km.cluster_centers_[:, 0]).round().tolist()
    [0.0, 9.0]
    >>> more = km.partial_fit(rng.normal(0, 1, (2500, 2)) + 9)
    >>> np.sort(km.drift_.share_after).round(1).tolist(), km.drift_.appeared.tolist()
    ([0.4, 0.6], [])
    >>> km.n_rows_seen_, km.summary_.rows.shape, round(km.counts_.sum())
    (12500, (12500, 2), 12500)
    >>> bool(np.isclose(km.inertia_, -km.fit(km.summary_.rows).score(km.summary_.rows)))
    True
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        summary_size: int | str = "auto",
        half_life: float | None = None,
        window: int | None = None,
        random_state: Any = None,
        feature_dim: Any = None,
        nodata: Any = "auto",
        memory_limit: str | int | None = None,
        refine: int = 0,
        frozen: Any = None,
        radius: float | str = "auto",
    ) -> None:
        self.n_clusters = n_clusters
        self.summary_size = summary_size
        self.half_life = half_life
        self.window = window
        self.random_state = random_state
        self.feature_dim = feature_dim
        self.nodata = nodata
        self.memory_limit = memory_limit
        self.refine = refine
        self.frozen = frozen
        self.radius = radius

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, mask: Any = None) -> Self:
        """Forget all rows seen so far, and summarise the data in one read.

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
        StreamingKMeans
            Fitted estimator. Data in memory are also labelled.

        Raises
        ------
        DataError
            If the data cannot be clustered; the model is then unchanged.
        """
        with all_or_nothing(self):
            self._forget()
            given, rows = self._absorb(X, sample_weight, mask)
            assert self._summary is not None
            self._summary.counted.check()
            check_enough(rows.layout.n_rows, self._summary.least_rows)
            self._refine(X, sample_weight, mask, rows)
            labels = given.empty_labels(self._summary.n_clusters, rows)
            if labels is not None:
                self.labels_ = self._answer(given, self._labels(given, rows), rows)
            else:
                self._set_labels(given, rows, None)
            return self

    def partial_fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, mask: Any = None
    ) -> Self:
        """Add rows to the summary; they are read once.

        Parameters
        ----------
        X : as in `KMeans.fit`
            The next rows of the stream, any number of them.
        y : None
            Ignored.
        sample_weight : array-like of the row shape, or None
            Weight of each row.
        mask : array-like of the row shape, bool, or None
            False for rows that are left out.

        Returns
        -------
        StreamingKMeans
            Fitted estimator.

        Raises
        ------
        DataError
            If the rows cannot be used; the model is then unchanged.
        """
        with all_or_nothing(self):
            self._absorb(X, sample_weight, mask)
            self._remove("labels_", "cluster_names_")
            return self

    def update(
        self, X: Any, sample_weight: Any = None, mask: Any = None, *, changed: str = "refuse"
    ) -> Self:
        """Add the rows of a store that are new since it was read; only these are read.

        A store may grow along its first row dimension, such as the time of a cube, and a folder
        may gain files. What was read is known by the sizes and times or ETags of the chunks or
        files, which are listed, not read. The last chunks, if they were not full, are written
        again by every append, and so are files that grow; some of their earlier rows are compared
        with those in the summary.

        Parameters
        ----------
        X : path or URL of a Zarr store, or of files, or zarr.Array
            All rows. A store or file that was not read before is read completely.
        sample_weight : array of the row shape, or None
            Weight of each row.
        mask : array of the row shape, bool, or None
            False for rows that are left out.
        changed : {'refuse', 'keep'}, default='refuse'
            'keep' keeps rows whose chunks or files were written again, or are gone, as they were
            read.

        Returns
        -------
        StreamingKMeans
            Fitted estimator; `changes_` has what was found.

        Raises
        ------
        DataError
            If the rows cannot be used, or it is not known which of them were read.
        DataChangedError
            If rows that were read have changed or are gone. They cannot be taken out of the
            summary. The model is unchanged after an error.

        Warns
        -----
        StreamkmWarning
            If such rows are kept, or the store cannot be listed, so that they are not detected.

        Examples
        --------
        >>> import tempfile, numpy as np, streamkm, zarr
        >>> x = np.random.default_rng(0).normal(size=(300, 2))
        >>> path = tempfile.mkdtemp() + "/x"
        >>> store = zarr.create_array(path, data=x, chunks=(100, 2))
        >>> km = streamkm.StreamingKMeans(3, random_state=0).fit(path)
        >>> _ = store.append(x + 9)
        >>> km.update(path).changes_
        {'appended': ((300, 600),), 'changed': (), 'removed': ()}
        >>> km.update(path).n_rows_seen_
        600
        """
        if changed not in ("refuse", "keep"):
            raise DataError(f"changed={changed!r}; use 'refuse' or 'keep'.")
        with all_or_nothing(self):
            _, rows, known = self._next_rows(X, sample_weight, mask)
            name = "the data" if is_a(X, "zarr.Array") else str(X)
            update = Update(known, self._seen).compared(rows, X, name, changed == "keep")
            summary, self._seen = update.absorbed()
            if summary is not known:
                self._summary, self._is_solved = summary, False
                self._remove("labels_", "cluster_names_")
                self._refine(X, sample_weight, mask, rows)
            self.changes_ = dict(vars(update.news[0].changes))
            return self

    def merge(self, *others: StreamingKMeans) -> Self:
        """Return the model of the rows of this and of other streams, for example of other sites.

        The models do not change. Every row is to be in one of them only. Summaries of summaries
        have the same guarantee, so models can be merged in any order and grouping.

        Parameters
        ----------
        *others : StreamingKMeans
            Models of the same number of clusters and the same features.

        Returns
        -------
        StreamingKMeans
            A new model with the parameters of this one.

        Raises
        ------
        DataError
            If one is not a StreamingKMeans or forgets rows, or the numbers of clusters, the
            features or the frozen centroids differ.

        Examples
        --------
        >>> import numpy as np, streamkm
        >>> x = np.random.default_rng(0).normal(size=(300, 2))
        >>> a, b = (streamkm.StreamingKMeans(2, random_state=0).fit(part) for part in (x, x + 9))
        >>> a.merge(b).counts_.tolist()
        [300.0, 300.0]
        """
        models: tuple[StreamingKMeans, ...] = (self, *others)
        for model in others:
            if not isinstance(model, StreamingKMeans):
                raise DataError(f"{type(model).__name__} has no summary; merge StreamingKMeans.")
        parts = [
            Part(
                model._known,
                f"model {number}",
                names_of(model) or (),
                tuple(getattr(model, "feature_units_", ())),
            )
            for number, model in enumerate(models)
        ]
        merged = copy(self)
        merged._summary, merged._solution, merged._is_solved = merge(parts), None, False
        merged._seen = merged_seen(model._seen for model in models)
        merged._remove("labels_", "cluster_names_", "changes_")
        return merged

    @property
    def _options(self) -> StreamOptions:
        """The checked options."""
        parameters = self.get_params(deep=False)
        parameters["random_state"] = checked_random_state(self.random_state)
        begins = self._summary is None
        parameters["frozen"] = frozen_model(self.frozen, self.radius) if begins else None
        return StreamOptions.from_parameters(parameters)

    def _budget(self) -> Budget:
        return self._options.budget(memory_bytes(self.memory_limit))

    def _absorb(self, X: Any, sample_weight: Any, mask: Any) -> tuple[InputData, Rows]:
        given, rows, known = self._next_rows(X, sample_weight, mask)
        self._seen = self._seen.with_read(rows, X, known.length)
        self._summary, self._is_solved = absorb(known, rows), False
        self._remove("changes_")
        return given, rows

    def _next_rows(self, X: Any, sample_weight: Any, mask: Any) -> tuple[InputData, Rows, Summary]:
        """Open the next rows, and return the summary of those before for the present options."""
        options = self._options
        if self._summary is None:
            given, rows = self._first_rows(X, sample_weight, mask)
            own = rows.layout
            return given, rows, options.first_summary(own.n_features, own.names, own.units)
        given, rows = self._rows(X, sample_weight, mask, count=True)
        units = getattr(self, "feature_units_", None)
        refuse_other_units(rows.layout.units, units, rows.layout.names, "X has")
        return given, rows, continued(self._summary, options)

    def _refine(self, X: Any, sample_weight: Any, mask: Any, rows: Rows) -> None:
        """Continue from the centroids of the summary by reads of all rows, if requested."""
        refine = self._options.refine
        if refine:
            refuse_unequal(self._known)
            refuse_part(self._known.length, rows)
            names = names_of(self)
            _, data = data_options(self, X, sample_weight, mask, names)
            before = self._solved
            prepared = prepare_refining(data, before.centroids, names, refine)
            self._solution = refined(prepared, before)

    def _first_rows(self, X: Any, sample_weight: Any, mask: Any) -> tuple[InputData, Rows]:
        """Open the first rows of the stream, whose features are those of all others."""
        if self.memory_limit is not None:
            one_heap()
        given, data = data_options(self, X, sample_weight, mask, None)
        rows = data.open(self._budget())
        self.n_features_in_ = rows.layout.n_features
        if rows.layout.names is not None:
            self.feature_names_in_ = np.array(rows.layout.names, dtype=object)
        self._set_units(rows.layout.units)
        return given, rows
