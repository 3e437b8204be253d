"""scikit-learn's shell: validate, rename, delegate."""

from streamkm.estimators.kmeans import KMeans, entropy_of
from streamkm.estimators.loading import load
from streamkm.estimators.spherical import SphericalKMeans

__all__ = ["KMeans", "SphericalKMeans", "entropy_of", "load"]
