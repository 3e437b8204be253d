"""Numerical loops over arrays, in NumPy and Numba."""

from streamkm.kernels.add import add
from streamkm.kernels.blas import one_blas_thread
from streamkm.kernels.candidates import cheapest, distances_to
from streamkm.kernels.centroids import Centroids, Prepared, squared_distances
from streamkm.kernels.colours import interleave, look_up, merge, n_runs, runs, separate
from streamkm.kernels.compiling import compiling
from streamkm.kernels.distinct import RowTable
from streamkm.kernels.dithering import Diffusion
from streamkm.kernels.draw import exponentials
from streamkm.kernels.exchange import Exchanged, exchange
from streamkm.kernels.leading import leading_directions
from streamkm.kernels.similarity import structural_similarity
from streamkm.kernels.splitting import split
from streamkm.kernels.squared_length import squared_length

__all__ = [
    "Centroids",
    "Diffusion",
    "Exchanged",
    "Prepared",
    "RowTable",
    "add",
    "cheapest",
    "compiling",
    "distances_to",
    "exchange",
    "exponentials",
    "interleave",
    "leading_directions",
    "look_up",
    "merge",
    "n_runs",
    "one_blas_thread",
    "runs",
    "separate",
    "split",
    "squared_distances",
    "squared_length",
    "structural_similarity",
]
