"""One file a question: the pass that asks it of a block, and the statistic that answers."""

from streamkm.passes.base import Pass, Product, Products, Statistic
from streamkm.passes.boundary import Boundary, KeepBoundary
from streamkm.passes.census import Census, Counted
from streamkm.passes.distinct import Distinct, Table
from streamkm.passes.draw import DrawFarthest, DrawSquaredDistance, DrawUniform, TopRows
from streamkm.passes.farthest_first import FarthestFirst, Picked
from streamkm.passes.lloyd import Assigned, Lloyd
from streamkm.passes.per_row import Distances, Labels, LookedUp, PerRow, label_dtype, no_label
from streamkm.passes.sample import Sampled, SampleSensitive, SampleUniform, threshold_of
from streamkm.passes.scatter import Scatter, Scattered

__all__ = [
    "Assigned",
    "Boundary",
    "Census",
    "Counted",
    "Distances",
    "Distinct",
    "DrawFarthest",
    "DrawSquaredDistance",
    "DrawUniform",
    "FarthestFirst",
    "KeepBoundary",
    "Labels",
    "Lloyd",
    "LookedUp",
    "Pass",
    "PerRow",
    "Picked",
    "Product",
    "Products",
    "SampleSensitive",
    "SampleUniform",
    "Sampled",
    "Scatter",
    "Scattered",
    "Statistic",
    "Table",
    "TopRows",
    "label_dtype",
    "no_label",
    "threshold_of",
]
