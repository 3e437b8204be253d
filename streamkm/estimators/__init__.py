"""Estimators with the interface of scikit-learn; they delegate to `streamkm.runs`."""

from streamkm.estimators.bisecting import BisectingKMeans
from streamkm.estimators.hierarchical import HierarchicalKMeans
from streamkm.estimators.kmeans import KMeans
from streamkm.estimators.minibatch import MiniBatchKMeans
from streamkm.estimators.quantizer import ProductQuantizer
from streamkm.estimators.spherical import SphericalKMeans
from streamkm.estimators.streaming import StreamingKMeans

__all__ = [
    "BisectingKMeans",
    "HierarchicalKMeans",
    "KMeans",
    "MiniBatchKMeans",
    "ProductQuantizer",
    "SphericalKMeans",
    "StreamingKMeans",
]


def __dir__() -> list[str]:
    return __all__
