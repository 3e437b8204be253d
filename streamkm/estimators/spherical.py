"""Spherical k-means: clusters of directions, by the cosine."""

from __future__ import annotations

from typing import ClassVar

from streamkm.estimators.kmeans import KMeans
from streamkm.rows import Named
from streamkm.runs.options import FitOptions


class SphericalKMeans(KMeans):
    """k-means by the cosine: rows and centroids are directions (Dhillon and Modha 2001).

    Everything is as in `KMeans`, whose parameters it has, but for these: every row is divided by
    its length as it is used, which costs no read; a centroid is the mean of its rows divided by
    its length; of the cosine between a row and its centroid `inertia_` is the weighted sum of
    2 (1 - cos), and `transform` gives sqrt(2 (1 - cos)). There is no `scale`, a row of zeros is
    at the same distance from all centroids, and every iteration reads once.

    Examples
    --------
    >>> import numpy as np, streamkm
    >>> x = np.array([[1.0, 0.1], [50.0, 4.0], [0.1, 2.0], [0.3, 9.0]])
    >>> km = streamkm.SphericalKMeans(2, random_state=0).fit(x)
    >>> bool(km.labels_[0] == km.labels_[1] != km.labels_[2] == km.labels_[3])
    True
    """

    _metric: ClassVar[str] = "cosine"

    def _options(self, init: str | tuple[Named, ...]) -> FitOptions:
        if self.scale is not None:
            raise ValueError(f"scale={self.scale!r}: directions are not scaled; leave it None.")
        return super()._options(init)
