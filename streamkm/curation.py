"""`streamkm.partition` and `streamkm.dedup`: group rows by cluster, and drop similar rows."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from streamkm.errors import DataError
from streamkm.estimators.data import InputData, weights_of
from streamkm.estimators.models import stored_model
from streamkm.estimators.opening import given_centroids
from streamkm.models.model import Model
from streamkm.models.storage import load_model
from streamkm.models.sweep import model_from_sweep
from streamkm.outputs.partitions import Partition, open_partition
from streamkm.rows import UnitLength
from streamkm.runs import dedup as deduplication
from streamkm.runs import partition as runs
from streamkm.runs.options import DataOptions, memory_bytes

PathLike = str | os.PathLike[str]
_METRICS = ("euclidean", "cosine")


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
    known = _model(model, metric, n_clusters)
    given = InputData.from_data(X, known.feature_dim if feature_dim is None else feature_dim)
    options = given.options
    data = DataOptions(
        options.data,
        feature_dim=options.feature_dim,
        sample_weight=weights_of(sample_weight),
        mask=weights_of(mask),
        nodata=nodata,
        memory_limit=memory_bytes(memory_limit),
    )
    source = model if isinstance(model, (str, os.PathLike)) else None
    runs.partition(known, data, output, format, overwrite, source=source)
    return open_partition(output) if runs.format_of(output, format) == "zarr" else None


def dedup(
    partition: Partition | PathLike,
    output: PathLike,
    *,
    threshold: float = 0.95,
    memory_limit: str | int | None = None,
    overwrite: bool = False,
) -> deduplication.DedupResult:
    """Find rows that are similar to an earlier row of their cluster, and write which are kept.

    In every cluster, the rows are visited in the order of the data. A row is dropped if its cosine
    similarity with an earlier row that is kept is at least the threshold. So no two kept rows of a
    cluster are that similar, and every dropped row is that similar to a kept row.

    Parameters
    ----------
    partition : Partition, str or path-like
        Rows grouped by cluster, as `partition` writes them to a Zarr group.
    output : str or path-like
        Local path of the mask of the kept rows: a .npy file, a .parquet file with the columns row
        and keep, or a Zarr array. It has the row shape of the data and is False for rows that are
        dropped or are not in the partition, so it can be the `mask` of a fit.
    threshold : float
        Smallest cosine similarity of similar rows, above 0 and at most 1; 1 - eps in [1]_.
    memory_limit : str, int or None
        Peak memory of the process, as in `KMeans`.
    overwrite : bool
        Whether a mask at `output` may be replaced.

    Returns
    -------
    DedupResult
        `n_rows` and `n_kept`, the numbers of rows of the partition and of those that are kept,
        `n_dropped`, and `keep`, the mask, which is read when it is used.

    Raises
    ------
    ValueError
        If the threshold is not in its range.
    DataError
        If there is no partition at the path, or the suffix of the output is that of another format.
    OutputExistsError
        If `output` exists and may not be replaced.
    MemoryLimitError
        If the work does not fit `memory_limit`.

    Notes
    -----
    Rows of zeros have no direction and are kept. Similar rows of different clusters are not found.
    A pair is decided by its similarity in float64, so the result depends on neither the scheduler
    nor the memory. [1]_ drops a row that is similar to any earlier row, dropped or not, in the
    order of the distance from the centroid.

    The work grows with the sum of the squared sizes of the clusters. The partition is read once,
    except for clusters of more rows than fit in memory (32 MiB with their unit vectors), whose
    tiles are read once more for each later tile.

    References
    ----------
    .. [1] Abbas et al., "SemDeDup: Data-efficient learning at web-scale through semantic
       deduplication", arXiv:2303.09540, 2023.

    Examples
    --------
    >>> import numpy as np, streamkm, tempfile
    >>> x = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 0.1], [0.1, 3.0], [1.0, 1.0]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     parts = streamkm.partition(np.eye(2), x, f"{folder}/parts.zarr", metric="cosine")
    ...     found = streamkm.dedup(parts, f"{folder}/keep.npy", threshold=0.9)
    ...     keep = np.array(found.keep)
    >>> keep, found.n_dropped
    (array([ True,  True, False, False,  True]), 2)
    """
    path = partition.path if isinstance(partition, Partition) else partition
    limit = memory_bytes(memory_limit)
    return deduplication.dedup(path, output, threshold, overwrite, limit)


def _model(what: Any, metric: str | None, n_clusters: int | None) -> Model:
    """Return the model that is meant: at a path, of an estimator, or of given centroids."""
    if metric not in (*_METRICS, None):
        raise ValueError(f"metric={metric!r}; use {' or '.join(map(repr, _METRICS))}.")
    stored = isinstance(what, (str, os.PathLike))
    if n_clusters is not None and not stored:
        raise DataError("n_clusters is for the path of a sweep; leave it out.")
    if stored:
        found = load_model(what) if n_clusters is None else model_from_sweep(what, n_clusters)
    elif isinstance(what, Model):
        found = what
    elif hasattr(what, "fit") and hasattr(what, "_scaling"):
        check_is_fitted(what)
        found = stored_model(what)
    else:
        centroids, names = given_centroids(what)
        features = [] if names is None else list(names)
        if metric == "cosine":
            unit = UnitLength()
            return Model(centroids, scaling=unit, scaled=unit.there(centroids), features=features)
        return Model(np.ascontiguousarray(centroids), features=features)
    if metric is not None:
        raise DataError("a model has a metric of its own; leave out metric.")
    return found
