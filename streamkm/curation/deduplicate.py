"""`streamkm.dedup`: drop rows that are similar to another row of their cluster."""

from __future__ import annotations

from typing import Any

from streamkm.curation.given import PathLike, clusters_of, path_of, rows_of
from streamkm.errors import DataError
from streamkm.outputs.partitions import Partition
from streamkm.runs import dedup as deduplication
from streamkm.runs.grouped import Grouping
from streamkm.runs.options import memory_bytes


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
    more and written to a temporary file in the order of the visits. Beside the tiles, 9 bytes for
    each row of the cluster are in memory, and up to 24 by distance; `memory_limit` does not count
    them. The same call resumes a stopped run.

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
        if path_of(path) is None:
            raise DataError(f"give X, the rows that the clusters of {path!r:.60} group.")
        return deduplication.dedup(path, output, asked)
    known = clusters_of(partition, metric, n_clusters)
    data = rows_of(known, X, feature_dim, None, mask, nodata, asked.memory_limit)
    return deduplication.dedup(Grouping(known, data, path_of(partition)), output, asked)


def _is_auto(nodata: Any) -> bool:
    return isinstance(nodata, str) and nodata == "auto"
