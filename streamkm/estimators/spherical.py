"""Spherical k-means: clusters of directions, by the cosine."""

from __future__ import annotations

from typing import ClassVar

from streamkm.estimators.kmeans import KMeans
from streamkm.runs.fit_options import FitOptions


class SphericalKMeans(KMeans):
    """Spherical k-means: clusters of directions, by cosine similarity.

    Rows are divided by their length when they are used, which takes no read. A centroid is the mean
    of its rows divided by its length. `inertia_` is the weighted sum of 2 (1 - cos) of rows and
    their centroids, and `transform` returns sqrt(2 (1 - cos)). A row of zeros has the same distance
    from all centroids. Every iteration takes a read.

    Parameters, attributes and methods are those of `KMeans`, except that `scale` must be None.

    Notes
    -----
    I. S. Dhillon and D. S. Modha, "Concept decompositions for large sparse text data using
    clustering", Machine Learning 42, 2001.

    Examples
    --------
    >>> import numpy as np, streamkm
    >>> x = np.array([[1.0, 0.1], [50.0, 4.0], [0.1, 2.0], [0.3, 9.0]])
    >>> km = streamkm.SphericalKMeans(2, random_state=0).fit(x)
    >>> bool(km.labels_[0] == km.labels_[1] != km.labels_[2] == km.labels_[3])
    True
    """

    _metric: ClassVar[str] = "cosine"

    def _options(self) -> FitOptions:
        if self.scale is not None:
            raise ValueError(
                f"scale={self.scale!r}: spherical k-means does not scale features; use None."
            )
        return super()._options()
