"""Where centroids begin: one small dataclass a method, each a sequence of passes.

A method never reads. It is asked which pass it wants next (`ask`) and told the statistic (`tell`),
which gives its next state, or the centroids. So whoever drives it can put the passes of many
restarts into one read, and keep the state between any two.
"""

from streamkm.in_memory.attention import attending, attention
from streamkm.seeding.base import Seeding
from streamkm.seeding.coreset import Coreset, Rough
from streamkm.seeding.farthest import Farthest
from streamkm.seeding.kmeans_parallel import KMeansParallel
from streamkm.seeding.kmeans_plusplus import KMeansPlusPlus
from streamkm.seeding.methods import METHODS, Method, Task, begin, method_of
from streamkm.seeding.random_rows import RandomRows

__all__ = [
    "METHODS",
    "Coreset",
    "Farthest",
    "KMeansParallel",
    "KMeansPlusPlus",
    "Method",
    "RandomRows",
    "Rough",
    "Seeding",
    "Task",
    "attending",
    "attention",
    "begin",
    "method_of",
]
