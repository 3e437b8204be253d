"""Arrays in, arrays out: the loops that touch every number, in NumPy and Numba only."""

from streamkm.kernels.accumulate import accumulate, squared_length
from streamkm.kernels.compiling import compiling
from streamkm.kernels.distinct import RowTable
from streamkm.kernels.draw import exponentials
from streamkm.kernels.nearest import Centroids, squared_distances

__all__ = [
    "Centroids",
    "RowTable",
    "accumulate",
    "compiling",
    "exponentials",
    "squared_distances",
    "squared_length",
]
