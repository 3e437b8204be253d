"""Methods of every estimator that has centroids."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from streamkm.arrays import AnyArray, Int32Array
from streamkm.engine import map_reduce
from streamkm.errors import DataError
from streamkm.estimators.data import weights_of
from streamkm.estimators.fitted import Fitted
from streamkm.estimators.models import save, to_sklearn
from streamkm.estimators.opening import check_features, names_of
from streamkm.numbers import whole_number
from streamkm.outputs import LABELS, check_outputs, check_store, local, refuse_overlap
from streamkm.outputs.ome import OmeImage, OmeLabels
from streamkm.passes import (
    Census,
    Distances,
    LabelsFromOne,
    Lloyd,
    Nearest,
    Product,
    label_dtype,
)
from streamkm.rows import Block, is_a, open_rows
from streamkm.runs.labels import LabelRun
from streamkm.runs.predict import write_into, write_labels


class CentroidEstimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, Fitted):
    """Labels, distances, scores and members of clusters, from their centroids."""

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
        """
        check_is_fitted(self)
        given, rows = self._rows(X, None, mask)
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
            Rows that are left out get NaN.

        Raises
        ------
        DataError
            If the features are not those of the fit.
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
        """
        check_is_fitted(self)
        _, rows = self._rows(X, sample_weight, mask, count=True)
        question = Product((Census(), Lloyd(self._centroids)))
        census, assigned = map_reduce(question, rows).parts
        census.check()
        return -float(assigned.inertia(self._centroids))

    def representatives(self, X: Any, n: int = 1, mask: Any = None) -> Nearest:
        """Return the rows of each cluster that are nearest to its centroid; this costs one read.

        Parameters
        ----------
        X : as in `fit`
            Rows with the features of the fit.
        n : int
            Number of rows of each cluster.
        mask : array-like of the row shape, bool, or None
            False for rows that are left out.

        Returns
        -------
        Nearest
            Row numbers (k, n), distances (k, n) and stored values (k, n, d), sorted by distance.
            Numbers are -1 if a cluster has fewer rows.
        """
        check_is_fitted(self)
        n = whole_number("n", n, 1)
        _, rows = self._rows(X, None, mask, count=True)
        return map_reduce(self._closest(n), rows)

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
            found[cluster] = own[often.argmax()]
        self.cluster_names_ = found
        return found

    def write_labels(self, X: Any, out: Any, *, mask: Any = None, overwrite: bool = False) -> Any:
        """Label every row into a Zarr store, in one read.

        A call that is stopped, or whose process is killed, keeps the labels so far in a hidden
        folder beside the path. The same call resumes: it reads only the rest, and the labels have
        the same bits. Labels of another model, or of data that changed since, are written from the
        start, and so are labels of data in memory and of Dask arrays, which have no fingerprint.
        Pass a Zarr array, a file or a path to be able to resume.

        Parameters
        ----------
        X : as in `fit`
            Rows with the features of the fit.
        out : path or zarr.Array
            Path of a new store, or an open array of the row shape, which is never resumed.
        mask : array-like of the row shape, bool, or None
            False for rows that are left out.
        overwrite : bool, default=False
            Whether labels that streamkm wrote at the path may be replaced.

        Returns
        -------
        zarr.Array or xarray.DataArray
            The labels, of the row shape; for xarray data the variable `labels` of the store, lazy,
            with its coordinates and CRS.

        Raises
        ------
        DataChangedError
            If the data change while they are read. A store at a path is not published.
        DataError
            Before anything is read, if `out` has another shape or too narrow a dtype, or its
            chunks or shards do not divide the blocks of X.
        OutputExistsError
            Before anything is read, if the path exists and may not be replaced, or is an input.

        Examples
        --------
        >>> import numpy as np, streamkm, tempfile, zarr
        >>> x = zarr.array(np.array([[1.0, 2.0], [8.0, 7.0]]))
        >>> model = streamkm.KMeans.from_centroids([[0.0, 0.0], [9.0, 9.0]])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.write_labels(x, f"{folder}/labels.zarr")[:].tolist()
        [0, 1]
        """
        check_is_fitted(self)
        given, rows = self._rows(X, None, mask, count=True)
        inputs = [given.array, rows.array, rows.weights, rows.mask, mask]
        if is_a(out, "zarr.Array"):
            for array in inputs:
                refuse_overlap(out, array)
            question = self._question(np.dtype(out.dtype))
            write_into(out, question, rows, len(self.cluster_centers_))
            return out
        target = check_store(out, LABELS, overwrite, inputs)
        question = self._labels(given, rows)
        store = given.label_store(rows, question.dtype, self._names())
        write_labels(LabelRun(target, overwrite, store, question, rows))
        return store.finish(target)

    def write_ome_labels(
        self, path: Any, name: str = "clusters", *, mask: Any = None, overwrite: bool = False
    ) -> Any:
        """Label the pixels of an OME-Zarr image by their channels, as a label image in its file.

        The same call resumes a stopped one, as for `write_labels`.

        Parameters
        ----------
        path : str or path-like
            OME-Zarr image, version 0.5.
        name : str, default='clusters'
            Name of the label image, `labels/NAME`. Labels are 1 to k, and 0 for pixels that are
            left out.
        mask : array of the shape of the image without its channels, or None
            As for `fit`.
        overwrite : bool, default=False
            Whether a label image of this name that streamkm wrote may be replaced.

        Returns
        -------
        zarr.Array
            The labels, of the shape of the image without its channels.

        Raises
        ------
        DataChangedError
            If the image changes while it is read. The labels are not published.
        DataError
            If the path is not such an image, or the image has no axis of channels.
        OutputExistsError
            If the label image exists and may not be replaced.
        """
        check_is_fitted(self)
        image = OmeImage.open(path)
        rows = open_rows(
            image.array,
            feature_dim=image.channel,
            mask=weights_of(mask),
            nodata=self.nodata,
            scaling=self._scaling,
            budget=self._budget(),
            names=names_of(self),
        )
        check_features(self, rows)
        store = OmeLabels(image, name, self._names())
        output = store.output(overwrite)
        check_outputs([output], [image.array, rows.mask, mask])
        dtype = label_dtype(len(self.cluster_centers_), spare=True)
        question = LabelsFromOne(self._question(dtype))
        target = local(output.path)
        write_labels(LabelRun(target, overwrite, store, question, rows))
        return store.finish(target)

    def save(self, path: Any, overwrite: bool = False) -> None:
        """Write the model as a Zarr group for `streamkm.load` and the command line.

        Parameters
        ----------
        path : str or path-like
            Folder that does not exist.
        overwrite : bool
            Whether a model there may be replaced.

        Raises
        ------
        OutputExistsError
            If something exists at the path and may not be replaced.
        """
        check_is_fitted(self)
        save(self, path, overwrite)

    def to_sklearn(self, dtype: npt.DTypeLike = np.float64) -> Any:
        """Return a fitted scikit-learn estimator with the same clusters.

        Parameters
        ----------
        dtype : {float64, float32}
            Dtype of the centroids; scikit-learn labels rows of this dtype only.

        Returns
        -------
        sklearn.cluster.KMeans or sklearn.pipeline.Pipeline
            If the rows are scaled, a Pipeline with a StandardScaler.
        """
        check_is_fitted(self)
        return to_sklearn(self, dtype)

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
        """
        block = replace(Block.from_values(rows), scaling=self._scaling)
        labels, _ = self._question(np.dtype(np.int32))(block)
        return labels
