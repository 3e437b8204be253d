"""`streamkm.partition` and `streamkm.dedup`: group rows by cluster, and drop similar rows."""

from __future__ import annotations

import os
from dataclasses import replace
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
from streamkm.runs.grouped import Grouping
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
    limit = memory_bytes(memory_limit)
    data = _data(known, X, feature_dim, sample_weight, mask, nodata, limit)
    runs.partition(known, data, output, format, overwrite, source=_path(model))
    return open_partition(output) if runs.format_of(output, format) == "zarr" else None


def dedup(
    partition: Any,
    output: PathLike,
    X: Any = None,
    *,
    threshold: float = 0.95,
    keep: str = "first",
    metric: str | None = None,
    n_clusters: int | None = None,
    mask: Any = None,
    nodata: Any = "auto",
    feature_dim: Any = None,
    memory_limit: str | int | None = None,
    overwrite: bool = False,
) -> deduplication.DedupResult:
    """Find rows that are similar to another row of their cluster, and write which are kept.

    In every cluster, the rows are visited in the order of the data, or by their distance from the
    centroid. A row is dropped if its cosine similarity with a row that was visited before and is
    kept is at least the threshold. So no two kept rows of a cluster are that similar, and every
    dropped row is that similar to a kept row.

    Parameters
    ----------
    partition : Partition, path of a partition, or a model
        Rows grouped by cluster, as `partition` writes them to a Zarr group or to Parquet files; or
        with `X` the clusters, as for `partition`: a path, Model, fitted estimator or centroids.
    output : str or path-like
        Local path of the mask of the kept rows: a .npy file, a .parquet file with the columns row
        and keep, or a Zarr array. It has the row shape of the data and is False for rows that are
        dropped or are in no cluster, so it can be the `mask` of a fit.
    X : as in `KMeans.fit`, or None
        The rows, which are grouped by the clusters of the model in one read.
    threshold : float
        Smallest cosine similarity of similar rows, above 0 and at most 1; 1 - eps in [1]_.
    keep : {'first', 'nearest', 'farthest'}
        Which rows are visited first, and therefore kept: the first of the data, those nearest to
        the centroid of their cluster, or those farthest from it, as in [1]_. The distance is that
        of the cosine, and the centroid is the mean of the unit vectors of the rows of the cluster.
    metric, n_clusters, mask, nodata, feature_dim : as for `partition`
        For a model and `X`.
    memory_limit : str, int or None
        Peak memory of the process, as in `KMeans`.
    overwrite : bool
        Whether a mask at `output` may be replaced.

    Returns
    -------
    DedupResult
        `n_rows` and `n_kept`, the numbers of rows in clusters and of those that are kept,
        `n_dropped`, and `keep`, the mask, which is read when it is used.

    Raises
    ------
    ValueError
        If the threshold is not in its range, or there is no such rule.
    DataError
        If there is no partition at the path, the data have other features than the model, or the
        suffix of the output is that of another format.
    sklearn.exceptions.NotFittedError
        If the estimator has not been fitted.
    OutputExistsError
        If `output` exists and may not be replaced.
    MemoryLimitError
        If the work does not fit `memory_limit`.

    Notes
    -----
    Rows of zeros have no direction and are kept. Similar rows of different clusters are not found.
    A pair is decided by its similarity in float64, so the result depends on neither the scheduler
    nor the memory. [1]_ drops a row that is similar to any row visited before, dropped or not.

    The work grows with the sum of the squared sizes of the clusters. The rows of `X` are read once
    and written beside the output, grouped by cluster, until the run is complete. Grouped rows are
    read once, except for clusters of more rows than fit in memory (32 MiB with their unit vectors),
    whose tiles are read once more for each later tile. By distance, such a cluster is read twice
    more and written to a temporary file in the order of the visits. The same call resumes a stopped
    run.

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

    The same without a partition, keeping the rows that are farthest from their centroid:

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path, options = f"{folder}/keep.npy", {"threshold": 0.9, "metric": "cosine"}
    ...     np.array(streamkm.dedup(np.eye(2), path, x, keep="farthest", **options).keep)
    array([ True,  True, False, False,  True])
    """
    asked = deduplication.DedupOptions(threshold, keep, overwrite, memory_bytes(memory_limit))
    if X is None:
        given = {"metric": metric, "n_clusters": n_clusters, "mask": mask}
        given |= {"feature_dim": feature_dim, "nodata": None if _is_auto(nodata) else nodata}
        unused = [name for name, value in given.items() if value is not None]
        if unused:
            raise DataError(f"{unused[0]} is for a model and X; a partition has its own rows.")
        path = partition.path if isinstance(partition, Partition) else partition
        if _path(path) is None:
            raise DataError(f"give X, the rows that the clusters of {path!r:.60} group.")
        return deduplication.dedup(path, output, asked)
    known = _model(partition, metric, n_clusters)
    data = _data(known, X, feature_dim, None, mask, nodata, asked.memory_limit)
    return deduplication.dedup(Grouping(known, data, _path(partition)), output, asked)


def _is_auto(nodata: Any) -> bool:
    return isinstance(nodata, str) and nodata == "auto"


def _path(model: Any) -> PathLike | None:
    return model if isinstance(model, (str, os.PathLike)) else None


def _data(
    model: Model,
    X: Any,
    feature_dim: Any,
    sample_weight: Any,
    mask: Any,
    nodata: Any,
    memory_limit: int | None,
) -> DataOptions:
    given = InputData.from_data(X, model.feature_dim if feature_dim is None else feature_dim)
    return replace(
        given.options,
        sample_weight=weights_of(sample_weight),
        mask=weights_of(mask),
        nodata=nodata,
        memory_limit=memory_limit,
    )


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
