"""Outputs of a fitted estimator: stored labels, a stored model, a table of centroids."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from streamkm.estimators.conversions import Conversions
from streamkm.estimators.data import weights_of
from streamkm.estimators.models import save
from streamkm.estimators.opening import check_features, names_of
from streamkm.outputs import check_outputs, label_format, label_output, local, refuse_overlap
from streamkm.outputs.ome import OmeImage, OmeLabels
from streamkm.passes import LabelsFromOne, label_dtype
from streamkm.rows import is_a
from streamkm.rows.units import with_units
from streamkm.runs.labels import LabelRun
from streamkm.runs.options import DataOptions
from streamkm.runs.predict import write_into, write_labels


class Exports(Conversions):
    """Methods that write labels or the model, or convert the estimator."""

    def centroid_table(self, units: bool = False) -> Any:
        """Return the centroids and the sizes of their clusters as a table, for example to print.

        Parameters
        ----------
        units : bool, default=False
            Whether the names of the features are followed by their units, such as 't2m [K]', where
            the data of the fit have units (the attribute `units` of a DataArray, of the variables
            of a Dataset or of a Zarr array).

        Returns
        -------
        pandas.DataFrame
            A row for each cluster, with its name or number as the index. Columns are `count`, the
            weight of its rows, and `share`, its part of the whole weight, if a fit found them; and
            the features, by name or number, in units of the data.

        Examples
        --------
        >>> import numpy as np, streamkm
        >>> x = np.array([[0.0, 1.0], [0.0, 3.0], [9.0, 9.0]])
        >>> table = streamkm.KMeans(2, init=x[1:]).fit(x).centroid_table()
        >>> table["count"].tolist(), table[1].tolist()
        ([2.0, 1.0], [2.0, 9.0])
        """
        import pandas as pd

        check_is_fitted(self)
        features = list(getattr(self, "feature_names_in_", range(self.n_features_in_)))
        if units:
            features = with_units(features, getattr(self, "feature_units_", None))
        names = getattr(self, "cluster_names_", None)
        numbers = range(len(self.cluster_centers_))
        index = pd.Index(numbers if names is None else self._names(), name="cluster")
        table = pd.DataFrame(self.cluster_centers_, index, features)
        counts = getattr(self, "counts_", None)
        if counts is not None:
            table.insert(0, "share", counts / counts.sum(), allow_duplicates=True)
            table.insert(0, "count", counts, allow_duplicates=True)
        return table

    def write_labels(self, X: Any, out: Any, *, mask: Any = None, overwrite: bool = False) -> Any:
        """Label every row into a Zarr store or a file, in one read.

        A path with the suffix .npy, .nc, .parquet or .tif becomes such a file, as described in
        docs/interoperability.md. Other paths become Zarr stores.

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
            Path of a new store or file, or an open array of the row shape, which is never resumed.
        mask : array-like of the row shape, bool, or None
            False for rows that are left out.
        overwrite : bool, default=False
            Whether labels that streamkm wrote at the path, or a file there, may be replaced.

        Returns
        -------
        zarr.Array, xarray.DataArray, numpy.memmap, ParquetFile or rasterio.DatasetReader
            The labels, of the row shape; for xarray data and .nc files the variable `labels`, lazy,
            with its coordinates and CRS. A .npy file is opened as a memory map, and .parquet and
            .tif files are opened without reading them.

        Raises
        ------
        DataChangedError
            If the data change while they are read. A store at a path is not published.
        DataError
            Before anything is read, if `out` has another shape or too narrow a dtype, or its
            chunks or shards do not divide the blocks of X; or if a file needs a package that is not
            installed, has the suffix of another kind of file, or cannot hold the labels.
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
        given, rows = self._rows(X, None, mask, count=True, gaps=True)
        inputs = [given.array, rows.array, rows.weights, rows.mask, mask]
        if is_a(out, "zarr.Array"):
            for array in inputs:
                refuse_overlap(out, array)
            question = self._question(np.dtype(out.dtype))
            write_into(out, question, rows, len(self.cluster_centers_))
            return out
        check_outputs([label_output(out, overwrite)], inputs)
        question, file = self._labels(given, rows), label_format(out)
        store = given.label_store(rows, question.dtype, self._names(), file is not None)
        run = LabelRun(local(out), overwrite, store, question, rows, file=file)
        write_labels(run)
        return run.open()

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

        Examples
        --------
        >>> import numpy as np, streamkm, tempfile, zarr
        >>> axes = [{"name": "c", "type": "channel"}, {"name": "y"}, {"name": "x"}]
        >>> scale = {"type": "scale", "scale": [1.0, 1.0, 1.0]}
        >>> dataset = {"path": "0", "coordinateTransformations": [scale]}
        >>> ome = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [dataset]}]}
        >>> model = streamkm.KMeans.from_centroids([[0.0, 0.0], [9.0, 9.0]])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     group = zarr.create_group(f"{folder}/cells.zarr", attributes={"ome": ome})
        ...     _ = group.create_array("0", data=np.array([[[1.0, 8.0]], [[2.0, 7.0]]]))
        ...     model.write_ome_labels(f"{folder}/cells.zarr")[:].tolist()
        [[1, 2]]
        """
        check_is_fitted(self)
        image = OmeImage.open(path)
        data = DataOptions(
            image.array,
            image.channel,
            mask=weights_of(mask),
            nodata=self.nodata,
            missing=getattr(self, "missing", None),
            names=names_of(self),
        )
        rows = data.open(self._budget(), self._scaling)
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

        Examples
        --------
        >>> import streamkm, tempfile
        >>> model = streamkm.KMeans.from_centroids([[0.0, 0.0], [3.0, 4.0]])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(f"{folder}/model.zarr")
        ...     streamkm.load(f"{folder}/model.zarr").cluster_centers_.tolist()
        [[0.0, 0.0], [3.0, 4.0]]
        """
        check_is_fitted(self)
        save(self, path, overwrite)
