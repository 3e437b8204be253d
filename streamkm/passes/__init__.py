"""One file a question: the pass that asks it of a block, and the statistic that answers."""

from streamkm.passes.base import Pass, Product, Products, Statistic
from streamkm.passes.census import Census, Counted
from streamkm.passes.draw import DrawFarthest, DrawSquaredDistance, DrawUniform, TopRows
from streamkm.passes.lloyd import Assigned, Lloyd
from streamkm.passes.per_row import Distances, Labels, PerRow, label_dtype

__all__ = [
    "Assigned",
    "Census",
    "Counted",
    "Distances",
    "DrawFarthest",
    "DrawSquaredDistance",
    "DrawUniform",
    "Labels",
    "Lloyd",
    "Pass",
    "PerRow",
    "Product",
    "Products",
    "Statistic",
    "TopRows",
    "label_dtype",
]
