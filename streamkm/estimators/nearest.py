"""`streamkm.nearest`: the rows nearest to each centroid."""

from __future__ import annotations

import os
from typing import Any

from streamkm.estimators.loading import load
from streamkm.outputs import check_outputs
from streamkm.outputs.nearest_rows import nearest_output, write_nearest
from streamkm.passes import Nearest


def nearest(
    model: Any,
    X: Any,
    n: int = 10,
    *,
    output: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    mask: Any = None,
) -> Nearest:
    """Find the rows of each cluster that are nearest to its centroid, in one read.

    Memory holds three numbers for each row that is found, for any number of features and rows of
    the data. `KMeans.representatives` also returns the values of the rows.

    Parameters
    ----------
    model : fitted estimator, str or path-like
        An estimator, or the path or URL of a model.
    X : as in `KMeans.fit`
        Rows with the features of the fit.
    n : int
        Number of rows of each cluster.
    output : str or path-like, or None
        Where the result is also written: a .npy file of the row numbers, a .parquet file with the
        columns cluster, rank, row and distance, or a Zarr store of `numbers` and `distances`.
    overwrite : bool
        Whether an output that exists may be replaced.
    mask : array-like of the row shape, bool, or None
        False for rows that are left out.

    Returns
    -------
    Nearest
        Row numbers (k, n), -1 if a cluster has fewer rows, and Euclidean distances (k, n), sorted
        by distance and, if distances are equal, by row number. For `SphericalKMeans` a distance is
        sqrt(2 (1 - cos)). The values have no features.

    Raises
    ------
    DataError
        If the features are not those of the fit.
    OutputExistsError
        Before the read, if the output may not be written.

    Examples
    --------
    >>> import numpy as np, streamkm
    >>> model = streamkm.KMeans.from_centroids([[0.0, 0.0], [3.0, 4.0]])
    >>> x = np.array([[0.0, 2.0], [3.0, 3.0], [1.0, 0.0], [0.0, 1.0]])
    >>> streamkm.nearest(model, x, 2).numbers.tolist()
    [[2, 3], [1, -1]]
    """
    target = None if output is None else nearest_output(output, overwrite)
    check_outputs([target], [X, mask])
    fitted = load(model) if isinstance(model, (str, os.PathLike)) else model
    found: Nearest = fitted.representatives(X, n, mask, keep_values=False)
    if target is not None:
        write_nearest(target, found.numbers, found.distances)
    return found
