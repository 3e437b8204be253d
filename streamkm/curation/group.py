"""`streamkm.partition`: write rows grouped by cluster."""

from __future__ import annotations

from typing import Any

from streamkm.curation.given import PathLike, clusters_of, path_of, rows_of
from streamkm.outputs.partitions import Partition, open_partition
from streamkm.runs import partition as partitioning
from streamkm.runs.options import memory_bytes


def partition(
    model: Any,
    X: Any,
    output: PathLike,
    *,
    format: str | None = None,
    metric: str | None = None,
    n_clusters: int | None = None,
    sample_weight: Any = None,
    mask: Any = None,
    nodata: Any = "auto",
    feature_dim: Any = None,
    memory_limit: str | int | None = None,
    overwrite: bool = False,
) -> Partition | None:
    """Write the rows of the data grouped by cluster, in one read.

    Parameters
    ----------
    model : path, Model, fitted estimator, or array-like of shape (n_clusters, n_features)
        The clusters: a model or a sweep that was saved, an estimator, or centroids.
    X : as in `KMeans.fit`
        The rows.
    output : str or path-like
        Local path of the partition.
    format : {'zarr', 'parquet'} or None
        'zarr' for a Zarr group that `open_partition` opens, or 'parquet' for a folder
        ``cluster=C`` of Parquet files for each cluster, which needs pyarrow. None means 'parquet'
        for the suffix .parquet, otherwise 'zarr'.
    metric : {'euclidean', 'cosine'} or None
        Distance for centroids that are given as an array; None means 'euclidean'. With 'cosine',
        rows and centroids are divided by their length. A model has a metric of its own.
    n_clusters : int or None
        Which k of a sweep; None for a model.
    sample_weight : array-like of the row shape, or None
        Weights of the rows, which are written beside them.
    mask : array-like of the row shape, bool, or None
        False for rows that are left out.
    nodata : 'auto', None, float or sequence of floats
        Values of rows that are left out, as in `KMeans`; 'auto' means those of the model.
    feature_dim : str, int or sequence of them, or None
        Feature dimension(s) of N-d data; by default those of the model. The features of a row are
        written along one axis.
    memory_limit : str, int or None
        Peak memory of the process, as in `KMeans`.
    overwrite : bool
        Whether a partition at `output` may be replaced.

    Returns
    -------
    Partition or None
        The partition, with lazy arrays; None for Parquet.

    Raises
    ------
    DataError
        If the data have other features than the model, a feature has the name of another column of
        a Parquet partition, or a parameter is not for this kind of model.
    sklearn.exceptions.NotFittedError
        If the estimator has not been fitted.
    OutputExistsError
        If `output` exists and may not be replaced.
    MemoryLimitError
        If the work does not fit `memory_limit`.

    Notes
    -----
    The rows of every block are sorted by cluster and written to files beside the output, and these
    sorted runs are then merged. So the data are read once, in any number of clusters; the runs,
    which need as much space as the rows, are written once, read once and removed. The result
    depends on neither the blocks nor the scheduler. The same call resumes a stopped run of stored
    data.

    Examples
    --------
    >>> import numpy as np, streamkm, tempfile
    >>> x = np.random.default_rng(0).normal(size=(100, 2))
    >>> km = streamkm.KMeans(4, random_state=0).fit(x)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     parts = streamkm.partition(km, x, f"{folder}/parts.zarr")
    ...     second = np.asarray(parts[1].rows)
    >>> np.array_equal(second, x[km.labels_ == 1])
    True
    """
    known = clusters_of(model, metric, n_clusters)
    limit = memory_bytes(memory_limit)
    data = rows_of(known, X, feature_dim, sample_weight, mask, nodata, limit)
    partitioning.partition(known, data, output, format, overwrite, source=path_of(model))
    return open_partition(output) if partitioning.format_of(output, format) == "zarr" else None
