"""Every pass of the package satisfies the contract."""

from __future__ import annotations

import inspect
from importlib import import_module
from pkgutil import iter_modules

import numpy as np

import streamkm.passes
import tests.passes
from streamkm.passes import (
    Census,
    Closest,
    CountObserved,
    Distinct,
    DrawFarthest,
    DrawFarthestObserved,
    DrawMembers,
    DrawSquaredDistance,
    DrawUniform,
    Extents,
    FarthestFirst,
    FeatureMoments,
    Filled,
    KeepBoundary,
    KeepCandidates,
    Lloyd,
    LloydObserved,
    Losses,
    Members,
    OfComplete,
    OfFeatures,
    Pass,
    PricedLloyd,
    Product,
    SampleSensitive,
    SampleUniform,
    Scatter,
    Tree,
)
from tests.passes.contract import PassContract

_RNG = np.random.default_rng(0)
_CENTROIDS = _RNG.integers(0, 9, (4, 3)).astype(np.float64)

TREE = Tree(
    np.stack([_CENTROIDS[:2], _CENTROIDS[2:], _CENTROIDS[1:3]]),
    np.array([[-1, 1], [2, -4], [-2, -3]]),
)

PASSES = (
    Census(),
    Lloyd(_CENTROIDS),
    LloydObserved(_CENTROIDS),
    CountObserved(),
    OfComplete(Lloyd(_CENTROIDS)),
    Filled(Lloyd(_CENTROIDS), np.array([1.0, 2.0, 3.0])),
    Closest(_CENTROIDS, 3),
    Closest(_CENTROIDS, 3, TREE),
    Members(_CENTROIDS),
    Members(_CENTROIDS, TREE),
    Closest(_CENTROIDS, 50, keep_values=False),
    DrawMembers(_CENTROIDS, np.array([3, 0, 9, 1]), seed=1),
    Losses(_CENTROIDS),
    DrawUniform(5, 1, 0),
    DrawSquaredDistance(5, 1, 1, _CENTROIDS),
    DrawFarthest(5, _CENTROIDS),
    DrawFarthestObserved(5, _CENTROIDS),
    Distinct(400),
    Distinct(60),
    SampleUniform(400, 0.3, 1, 0),
    SampleUniform(20, 0.3, 1, 0),
    SampleSensitive(30, 40.0, 1, 1, _CENTROIDS, 0.002, np.array([0.01, 0.02, 0.03, 0.04])),
    OfFeatures(Lloyd(_CENTROIDS[:, :2]), 1, 3),
    PricedLloyd(_CENTROIDS, np.array([0.0, 9.0, -7.0, 4.0])),
    KeepCandidates(_CENTROIDS, np.array([0.0, 9.0, 4.0, 1.0]), 120, 3),
    Product((Census(), Lloyd(_CENTROIDS), DrawUniform(3, 2, 0))),
)


class TestPasses(PassContract):
    passes = PASSES


def modules_of(package):
    return [
        import_module(f"{package.__name__}.{each.name}") for each in iter_modules(package.__path__)
    ]


def test_every_pass_is_put_through_the_contract():
    # These have tests of their own. FarthestFirst chooses again among the rows that blocks chose,
    # so its result depends on the block plan. Scatter sums square roots and FeatureMoments divides,
    # so the order changes the last bit. KeepBoundary keeps a share of every block, and Extents
    # looks at some rows of each.
    excused = {Extents, FarthestFirst, FeatureMoments, KeepBoundary, Scatter}
    found = {
        kind
        for module in modules_of(streamkm.passes)
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Pass) and not inspect.isabstract(kind)
    }
    modules_of(tests.passes)  # defines the subclasses of PassContract
    tested = {type(each) for kind in PassContract.__subclasses__() for each in kind.passes}
    assert found - excused == tested
