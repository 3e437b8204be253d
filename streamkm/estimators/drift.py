"""`streamkm.drift`: how clusters change between two models."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from streamkm.errors import DataError
from streamkm.estimators.loading import load
from streamkm.streaming import Drift, compare


def drift(before: Any, after: Any) -> Drift:
    """Compare the clusters of two models of the same features, such as those of two days.

    Centroids are paired one to one: first those that are nearest to each other, then the others so
    that the sum of their squared distances is least. A pair is the same cluster if its centroids
    are no farther apart than each of them is from the nearest other centroid of its own model. An
    earlier cluster that is the same as no cluster died, and a cluster that is the same as no
    earlier one appeared.

    Parameters
    ----------
    before, after : fitted estimator, str or path-like
        Estimators with `cluster_centers_` and `counts_`, or paths or URLs of models.

    Returns
    -------
    Drift
        For k' earlier and k clusters: `match` (k,), int64, the number of the same earlier cluster,
        or -1; `moved` (k,), the distance of the centroids in units of the data, or NaN;
        `share_before` (k',) and `share_after` (k,), shares in the weight of all rows; `appeared`
        and `died`, numbers of clusters of `after` and of `before`.

    Raises
    ------
    DataError
        If a model has no counts, or the numbers of features differ.

    Examples
    --------
    >>> import numpy as np, streamkm
    >>> x = np.repeat([[0.0], [10.0], [20.0]], [30, 30, 40], axis=0)
    >>> y = np.repeat([[21.0], [90.0], [0.0]], [50, 25, 25], axis=0)
    >>> monday, tuesday = (streamkm.KMeans(3, random_state=0).fit(data) for data in (x, y))
    >>> found = streamkm.drift(monday, tuesday)
    >>> np.sort(found.moved).tolist()
    [0.0, 1.0, nan]
    >>> monday.cluster_centers_[found.died].tolist()
    [[10.0]]
    >>> tuesday.cluster_centers_[found.appeared].tolist()
    [[90.0]]
    """
    (old, n_old), (new, n_new) = (_clusters(model) for model in (before, after))
    if old.shape[1] != new.shape[1]:
        raise DataError(f"the models have {old.shape[1]} and {new.shape[1]} features.")
    return compare(old, n_old, new, n_new)


def _clusters(model: Any) -> tuple[Any, Any]:
    """Return the centroids (k, d) and counts (k,) of a model."""
    fitted = load(model) if isinstance(model, (str, os.PathLike)) else model
    counts = getattr(fitted, "counts_", None)
    if counts is None:
        raise DataError(f"{model} has no `counts_`, the weights of its clusters.")
    return np.asarray(fitted.cluster_centers_, np.float64), np.asarray(counts, np.float64)
