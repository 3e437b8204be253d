"""Answers for each row: leaves of trees and hierarchies, codewords, and counted labels."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from streamkm.kernels import Centroids
from streamkm.passes import (
    CountObserved,
    DrawUniform,
    FeatureMoments,
    KeepCandidates,
    Labels,
    Lloyd,
    LloydObserved,
    Product,
)
from streamkm.passes.counting import CountedLabels
from streamkm.passes.extents import _middle
from streamkm.passes.features import Codes, Residuals
from streamkm.passes.grouping import NearestLabels
from streamkm.passes.routes import RoutedLabels, Routes
from streamkm.passes.sums import AllClusters, OwnClusters
from streamkm.passes.tree import Tree, TreeLabels, TreePath
from streamkm.rows import Block
from tests import reference

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4)).astype(np.float32)
BLOCK = Block.from_values(X)


def nearest(x, centroids):
    return reference.squared_distances(x, centroids).argmin(axis=1)


def test_every_row_follows_the_nearest_child_of_each_level():
    top, leaves = RNG.normal(size=(3, 4)), RNG.normal(size=(7, 4))
    parents = np.array([0, 0, 1, 2, 2, 2, 2])
    routes = Routes.from_parents([top, leaves], [parents])
    labels, found = RoutedLabels(pickle.loads(pickle.dumps(routes)), np.dtype("u1"))(BLOCK)
    first, expected, loss = nearest(X, top), [], 0.0
    for row, parent in zip(X, first, strict=True):
        children = np.flatnonzero(parents == parent)
        apart = reference.squared_distances(row[None], leaves[children])[0]
        expected.append(children[apart.argmin()])
        loss += apart.min()
    assert labels.tolist() == expected
    assert np.array_equal(routes.labels(X), expected)
    assert (found.rows, found.loss) == (90, pytest.approx(loss))
    both = type(found).combine([found, found])
    assert (both.rows, both.loss) == (180, 2 * found.loss)


def test_every_row_follows_the_nearer_side_of_each_split():
    pairs = RNG.normal(size=(3, 2, 4))
    tree = Tree(pairs, np.array([[1, 2], [-1, -3], [-2, -4]]))
    labels, counted = TreeLabels(tree, np.dtype("u1"))(BLOCK)
    side = nearest(X, pairs[0])
    below = np.where(side == 0, nearest(X, pairs[1]), nearest(X, pairs[2]))
    expected = np.array([[0, 2], [1, 3]])[side, below]
    assert np.array_equal(labels, expected)
    assert counted.rows == 90
    path = TreePath().followed_by(pairs[0], 1).followed_by(pairs[2], 0)
    assert np.array_equal(path(BLOCK).rows(slice(None)), X[expected == 1])
    assert TreePath()(BLOCK) is BLOCK
    empty = BLOCK.where(np.zeros(90, bool))
    assert path(empty) is empty
    leaves = RNG.normal(size=(4, 4))
    moved = tree.with_leaves(leaves)
    assert np.array_equal(moved.pairs[0], pairs[0])
    assert np.array_equal(moved.pairs[1:], leaves[[[0, 2], [1, 3]]])
    assert np.array_equal(tree.pairs, pairs)
    assert not Tree(pairs[:0], np.empty((0, 2), int)).labels(X).any()


@pytest.mark.parametrize("residuals", [False, True])
def test_codes_are_the_nearest_codewords_of_each_part(residuals):
    books, centroids = RNG.normal(size=(2, 5, 2)).astype(np.float32), RNG.normal(size=(3, 4))
    question = Codes(books, np.dtype("u1"), Residuals(centroids) if residuals else None)
    codes, counted = pickle.loads(pickle.dumps(question))(BLOCK)
    x = X - centroids.astype(np.float32)[nearest(X, centroids)] if residuals else X
    for part in (0, 1):
        assert np.array_equal(codes[:, part], nearest(x[:, 2 * part : 2 * part + 2], books[part]))
    assert (counted.rows, question.width, question.fill) == (90, 2, 0)


def test_labels_alone_and_with_a_census_are_those_of_the_nearest_centroids():
    centroids = RNG.normal(size=(5, 4))
    alone, counted = NearestLabels(centroids, np.dtype("u2"))(BLOCK)
    assert np.array_equal(alone, nearest(X, centroids))
    assert (alone.dtype, counted.rows) == (np.uint16, 90)
    plain = Labels(centroids, np.dtype("u1"))
    question = CountedLabels(plain)
    labels, (census, assigned) = (lambda a: (a[0], a[1].parts))(question(BLOCK))
    assert np.array_equal(labels, alone)
    assert (census.rows, assigned.weight) == (90, 90.0)
    assert (question.dtype, question.fill) == (plain.dtype, plain.fill)
    assert question.statistic_nbytes(4) == plain.statistic_nbytes(4)
    assert question.identity().parts[0].rows == 0


def test_moments_are_those_of_all_rows_for_any_cut():
    whole = FeatureMoments()(BLOCK)
    parts = [FeatureMoments()(Block.from_values(X[a:b])) for a, b in ((0, 1), (1, 50), (50, 90))]
    for found in (whole, type(whole).combine([FeatureMoments().identity(), *parts])):
        np.testing.assert_allclose(found.means, X.astype(float).mean(axis=0))
        variances = found.deviations / found.weight
        np.testing.assert_allclose(variances, X.astype(float).var(axis=0), rtol=1e-9)


def test_sums_of_the_clusters_that_occur_are_those_of_all():
    centroids = RNG.normal(size=(200, 4))
    ready, tiles = Centroids(centroids, np.float32), list(BLOCK.tiles())
    every, own = AllClusters(centroids.shape), OwnClusters(centroids.shape, 90)
    for tile in tiles:
        labels, _, loss = every.gather(ready, tile)
        mine = own.gather(ready, tile)
        assert np.array_equal(mine[0], labels)
        assert mine[2] == pytest.approx(loss)
    sums, counts, _ = every.result()
    few, numbers, clusters = own.result()
    n = len(clusters)
    assert np.array_equal(clusters, np.flatnonzero(counts))
    assert np.array_equal(few[:n], sums[clusters])
    assert np.array_equal(numbers[:n], counts[clusters])
    assert Lloyd(centroids)(BLOCK).counts.sum() == 90


def test_rows_of_weight_zero_are_never_drawn():
    weights = np.zeros(90)
    weights[[7, 40]] = 1.0, 3.0
    found = DrawUniform(5, 1, 0)(Block.from_values(X, weights))
    assert sorted(found.numbers.tolist()) == [7, 40]
    assert np.isfinite(found.keys).all()
    assert Product(()).statistic_nbytes(4) == 0


def test_the_loss_of_large_whole_numbers_is_exact():
    """The squares of the sums of these rows do not fit in 64 bits."""
    x = np.full((2**16, 4), 2**15 - 1, np.int16)
    found = Lloyd(x[:1].astype(float))(Block.from_values(x))
    assert found.sums.dtype.kind == "i"
    assert found.inertia(x[:1].astype(float)) == 0.0


def test_candidates_are_in_the_order_of_their_sums():
    centroids, prices = RNG.normal(size=(6, 4)), RNG.normal(size=6)
    found = KeepCandidates(centroids, prices, 90, 3)(BLOCK)
    sums = reference.squared_distances(X[found.numbers], centroids) + prices
    assert np.array_equal(found.clusters, np.argsort(sums, axis=1)[:, :3])


def test_variances_and_means_of_observed_values_are_those_of_complete_rows():
    centroids = RNG.normal(size=(3, 4))
    found = LloydObserved(centroids)(BLOCK).variance(centroids)
    assert found == pytest.approx(X.astype(float).var(axis=0).mean())
    seen = CountObserved()(BLOCK)
    np.testing.assert_allclose(seen.means, X.astype(float).mean(axis=0))


def test_the_middle_of_whole_numbers_is_whole_and_not_above_it():
    assert _middle(1.0, 4.0) == 2.5
    assert _middle(1, 4) == 2.0
    assert _middle(2**62 + 1, 2**62 + 5) <= 2**62 + 3
