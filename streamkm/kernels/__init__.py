"""Arrays in, arrays out: the loops that touch every number, in NumPy and Numba only."""

from streamkm.kernels.add import add
from streamkm.kernels.centroids import Centroids, squared_distances
from streamkm.kernels.compiling import compiling
from streamkm.kernels.distinct import RowTable
from streamkm.kernels.draw import exponentials
from streamkm.kernels.squared_length import squared_length

__all__ = [
    "Centroids",
    "RowTable",
    "add",
    "compiling",
    "exponentials",
    "squared_distances",
    "squared_length",
]
