"""Estimators with the interface of scikit-learn; they delegate to `streamkm.runs`."""

from streamkm.estimators.bisecting import BisectingKMeans
from streamkm.estimators.kmeans import KMeans
from streamkm.estimators.minibatch import MiniBatchKMeans
from streamkm.estimators.spherical import SphericalKMeans

__all__ = ["BisectingKMeans", "KMeans", "MiniBatchKMeans", "SphericalKMeans"]


def __dir__() -> list[str]:
    return __all__
