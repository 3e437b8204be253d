"""Answers of a fitted estimator: labels, distances, scores, nearest rows and cluster names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from streamkm.arrays import AnyArray, Int32Array
from streamkm.engine import map_reduce
from streamkm.errors import DataError
from streamkm.estimators.exports import Exports
from streamkm.numbers import whole_number
from streamkm.outputs.labelled_nearest import labelled_nearest
from streamkm.passes import Census, Distances, Nearest, Product
from streamkm.passes.ranked import refuse_too_many
from streamkm.rows import Block, is_a


class CentroidEstimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, Exports):
    """The methods of every estimator that has centroids."""

    def predict(self, X: Any, mask: Any = None) -> Any:
        """Return the cluster of every row; ties go to the lowest index.

        Parameters
        ----------
        X : as in `fit`
            Rows with the features of the fit.
        mask : array-like of the row shape, bool, or None
            False for rows that are left out.

        Returns
        -------
        int32 ndarray of shape (n_samples,), or an array of the row shape
            For data other than NumPy arrays and data frames, the array is lazy and of the smallest
            unsigned dtype. Rows that are left out get -1, or the largest value of an unsigned
            dtype.

        Raises
        ------
        DataError
            If the features are not those of the fit.

        See Also
        --------
        write_labels : Write the labels of data larger than memory to a store.

        Examples
        --------
        >>> import numpy as np, streamkm
        >>> model = streamkm.KMeans.from_centroids([[0.0, 0.0], [3.0, 4.0]])
        >>> model.predict(np.array([[1.0, 0.0], [3.0, 3.0]])).tolist()
        [0, 1]
        """
        check_is_fitted(self)
        given, rows = self._rows(X, None, mask, gaps=True)
        return self._answer(given, self._labels(given, rows), rows)

    def transform(self, X: Any, mask: Any = None) -> Any:
        """Return the Euclidean distances of every row to every centroid.

        Parameters
        ----------
        X : as in `fit`
            Rows with the features of the fit.
        mask : array-like of the row shape, bool, or None
            False for rows that are left out.

        Returns
        -------
        array of shape (n_samples, n_clusters), float32 for float32 data, else float64
            In units of the data, or of scaled rows if there is a scale; lazy if the data are lazy.
            Rows that are left out get NaN, and so do rows with gaps if the model has
            `missing='impute'`.

        Raises
        ------
        DataError
            If the features are not those of the fit.

        Examples
        --------
        >>> import numpy as np, streamkm
        >>> model = streamkm.KMeans.from_centroids([[0.0, 0.0], [3.0, 4.0]])
        >>> model.transform(np.array([[0.0, 0.0], [3.0, 0.0]])).tolist()
        [[0.0, 5.0], [3.0, 4.0]]
        """
        check_is_fitted(self)
        k = len(self.cluster_centers_)
        given, rows = self._rows(X, None, mask, answer_nbytes=8 * k)
        dtype = np.dtype(
            np.float32 if rows.layout.dtype.newbyteorder("=") == np.float32 else np.float64
        )
        return self._answer(given, Distances(self._centroids, dtype), rows)

    def fit_transform(
        self, X: Any, y: Any = None, sample_weight: Any = None, mask: Any = None
    ) -> Any:
        """Fit the model and return `transform` of the same data.

        Parameters
        ----------
        X : as in `fit`
            Rows to cluster.
        y : None
            Ignored.
        sample_weight : array-like of the row shape, or None
            Weight of each row.
        mask : array-like of the row shape, bool, or None
            False for rows that are left out.

        Returns
        -------
        array of shape (n_samples, n_clusters)
            Distances, as in `transform`.

        Examples
        --------
        >>> import numpy as np, streamkm
        >>> x = np.array([[0.0], [1.0], [9.0], [10.0]])
        >>> streamkm.KMeans(2, random_state=0).fit_transform(x).min(axis=1).tolist()
        [0.5, 0.5, 0.5, 0.5]
        """
        fitted = self.fit(X, y, sample_weight=sample_weight, mask=mask)
        return fitted.transform(X, mask)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None, mask: Any = None) -> float:
        """Return minus the inertia of the data about the centroids; this costs one read.

        Parameters
        ----------
        X : as in `fit`
            Rows with the features of the fit.
        y : None
            Ignored.
        sample_weight : array-like of the row shape, or None
            Weight of each row.
        mask : array-like of the row shape, bool, or None
            False for rows that are left out.

        Returns
        -------
        float
            In squared units of the data, or of scaled rows if there is a scale.

        Examples
        --------
        >>> import numpy as np, streamkm
        >>> model = streamkm.KMeans.from_centroids([[0.0, 0.0], [3.0, 4.0]])
        >>> model.score(np.array([[0.0, 2.0], [3.0, 3.0]]))
        -5.0
        """
        check_is_fitted(self)
        _, rows = self._rows(X, sample_weight, mask, count=True, gaps=True)
        question = Product((Census(), self._loss_pass()))
        census, assigned = map_reduce(question, rows).parts
        census.check()
        return -float(assigned.inertia(self._centroids))

    def representatives(
        self, X: Any, n: int = 1, mask: Any = None, keep_values: bool = True
    ) -> Nearest:
        """Return the rows of each cluster that are nearest to its centroid; this costs one read.

        Parameters
        ----------
        X : as in `fit`
            Rows with the features of the fit.
        n : int
            Number of rows of each cluster.
        mask : array-like of the row shape, bool, or None
            False for rows that are left out.
        keep_values : bool
            Whether the result has the values of the rows. Without them it takes 16 bytes for each
            row, for any number of features.

        Returns
        -------
        Nearest
            Row numbers (k, n), distances (k, n) and stored values (k, n, d), sorted by distance.
            Numbers are -1 if a cluster has fewer rows. For xarray data, a `LabelledNearest`: its
            `dataset` also has the coordinates of the rows, and ``X.isel(found.indices)`` selects
            the rows.

        Examples
        --------
        >>> import numpy as np, streamkm
        >>> model = streamkm.KMeans.from_centroids([[0.0, 0.0], [3.0, 4.0]])
        >>> nearest = model.representatives(np.array([[0.0, 2.0], [3.0, 3.0], [0.0, 1.0]]))
        >>> nearest.numbers.tolist(), nearest.distances.tolist()
        ([[2], [1]], [[1.0], [1.0]])
        >>> import pandas as pd, xarray as xr
        >>> days = xr.DataArray(
        ...     [[0.0, 2.0], [3.0, 3.0], [0.0, 1.0]],
        ...     coords={"time": pd.date_range("2026-01-01", periods=3)},
        ...     dims=("time", "band"),
        ... )
        >>> model.representatives(days).dataset["time"].dt.strftime("%d").values.tolist()
        [['03'], ['02']]
        """
        check_is_fitted(self)
        n = whole_number("n", n, 1)
        refuse_too_many(len(self.cluster_centers_), n)
        given, rows = self._rows(X, None, mask, ranked=n, count=True)
        ranked = map_reduce(self._closest(n, keep_values), rows)
        found = ranked.nearest(len(self.cluster_centers_), n)
        if keep_values and is_a(given.array, "xarray.DataArray"):
            return labelled_nearest(found, given.array, rows.layout)
        return found

    def name_clusters(self, X: Any, y: Any) -> AnyArray:
        """Name each cluster by the most frequent name among its labelled rows.

        ``model.cluster_names_[model.predict(X)]`` then classifies rows. Ties go to the name that
        comes first in sorting order.

        Parameters
        ----------
        X : as in `fit`
            The labelled rows.
        y : array-like of the row shape
            Name of each row.

        Returns
        -------
        ndarray of shape (k,), object
            The names; None for clusters without a labelled row. The attribute `cluster_names_`
            stores them, and labelled arrays get them as `flag_meanings`.

        Raises
        ------
        DataError
            If the numbers of rows and of names differ.

        Examples
        --------
        >>> import numpy as np, streamkm
        >>> model = streamkm.KMeans.from_centroids([[0.0, 0.0], [3.0, 4.0]])
        >>> x = np.array([[0.0, 2.0], [3.0, 3.0], [0.0, 1.0]])
        >>> " ".join(model.name_clusters(x, ["low", "high", "low"]))
        'low high'
        """
        check_is_fitted(self)
        answers = self.predict(X)
        if is_a(y, "xarray.DataArray") and is_a(answers, "xarray.DataArray"):
            y = y.transpose(*answers.dims)
        labels, names = np.asarray(answers).ravel(), np.asarray(y).ravel()
        if len(labels) != len(names):
            raise DataError(
                f"{len(names)} names were given for {len(labels)} rows; give one name per row."
            )
        found = np.full(len(self.cluster_centers_), None, dtype=object)
        for cluster in np.unique(labels[(labels >= 0) & (labels < len(found))]):
            own, often = np.unique(names[labels == cluster], return_counts=True)
            name = own[often.argmax()]
            plain_kinds = (np.str_, np.integer, np.floating, np.bool_)  # not times
            found[cluster] = name.item() if isinstance(name, plain_kinds) else name
        self.cluster_names_ = found
        return found

    def label_rows(self, rows: AnyArray) -> Int32Array:
        """Return the clusters of rows in memory, whatever the dimensions of the data of the fit.

        Parameters
        ----------
        rows : ndarray of shape (n, d)
            Rows in units of the data.

        Returns
        -------
        ndarray of shape (n,), int32
            Cluster of each row.

        Examples
        --------
        >>> import numpy as np, streamkm
        >>> model = streamkm.KMeans.from_centroids([[0.0, 0.0], [3.0, 4.0]])
        >>> model.label_rows(np.array([[1.0, 0.0], [3.0, 3.0]])).tolist()
        [0, 1]
        """
        block = replace(Block.from_values(rows), scaling=self._scaling)
        labels, _ = self._question(np.dtype(np.int32))(block)
        return labels
