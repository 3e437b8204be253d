"""Passes and their statistics, one file for each question that is asked of the data."""

from streamkm.passes.base import Pass, Product, Products, Statistic
from streamkm.passes.boundary import Boundary, KeepBoundary
from streamkm.passes.candidates import Candidates, KeepCandidates
from streamkm.passes.census import Census, Counted
from streamkm.passes.closest import Assigner, Closest, Ranking
from streamkm.passes.colours import Colours
from streamkm.passes.counting import CountedLabels
from streamkm.passes.distinct import Distinct, Table
from streamkm.passes.draw import DrawFarthest, DrawSquaredDistance, DrawUniform, TopRows
from streamkm.passes.extents import Extent, Extents
from streamkm.passes.farthest_first import FarthestFirst, Picked
from streamkm.passes.features import Codes, OfFeatures, Residuals
from streamkm.passes.gaps import CountObserved, Filled, Observed, OfComplete
from streamkm.passes.grouping import NearestLabels, Sizes
from streamkm.passes.lloyd import Assigned, Lloyd
from streamkm.passes.losses import Losses, Spread
from streamkm.passes.members import DrawMembers, Members
from streamkm.passes.moments import FeatureMoments, Moments
from streamkm.passes.observed import (
    DrawFarthestObserved,
    LabelsObserved,
    LloydObserved,
    ObservedSums,
)
from streamkm.passes.per_row import (
    Distances,
    Labels,
    LabelsFromOne,
    LookedUp,
    PerRow,
    label_dtype,
    no_label,
)
from streamkm.passes.priced import PricedLabels, PricedLloyd
from streamkm.passes.ranked import Nearest, Ranked
from streamkm.passes.routes import Reached, RoutedLabels, Routes
from streamkm.passes.sample import Sampled, SampleSensitive, SampleUniform, threshold_of
from streamkm.passes.scatter import Scatter, Scattered
from streamkm.passes.tree import Tree, TreeLabels, TreePath

__all__ = [
    "Assigned",
    "Assigner",
    "Boundary",
    "Candidates",
    "Census",
    "Closest",
    "Codes",
    "Colours",
    "CountObserved",
    "Counted",
    "CountedLabels",
    "Distances",
    "Distinct",
    "DrawFarthest",
    "DrawFarthestObserved",
    "DrawMembers",
    "DrawSquaredDistance",
    "DrawUniform",
    "Extent",
    "Extents",
    "FarthestFirst",
    "FeatureMoments",
    "Filled",
    "KeepBoundary",
    "KeepCandidates",
    "Labels",
    "LabelsFromOne",
    "LabelsObserved",
    "Lloyd",
    "LloydObserved",
    "LookedUp",
    "Losses",
    "Members",
    "Moments",
    "Nearest",
    "NearestLabels",
    "Observed",
    "ObservedSums",
    "OfComplete",
    "OfFeatures",
    "Pass",
    "PerRow",
    "Picked",
    "PricedLabels",
    "PricedLloyd",
    "Product",
    "Products",
    "Ranked",
    "Ranking",
    "Reached",
    "Residuals",
    "RoutedLabels",
    "Routes",
    "SampleSensitive",
    "SampleUniform",
    "Sampled",
    "Scatter",
    "Scattered",
    "Sizes",
    "Spread",
    "Statistic",
    "Table",
    "TopRows",
    "Tree",
    "TreeLabels",
    "TreePath",
    "label_dtype",
    "no_label",
    "threshold_of",
]
