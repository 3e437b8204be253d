"""The result of bisecting k-means, and its stored form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.fitting import Reads
from streamkm.models.model import Model
from streamkm.passes import Tree, TreePath
from streamkm.rows import Rows, Scaling
from streamkm.updates import history_array
from streamkm.versions import versions


@dataclass(frozen=True)
class Leaf:
    """A cluster that has not been split.

    Parameters
    ----------
    path : TreePath
        From the root of the tree to this cluster.
    centroid : ndarray of shape (d,), float64
    loss : float
        Sum of w * |x - centroid|**2 over the rows of the cluster, in squared data units.
    weight : float
        Sum of the weights of its rows.
    """

    path: TreePath
    centroid: Float64Array
    loss: float
    weight: float


@dataclass(frozen=True)
class Bisected:
    """The result of bisecting k-means.

    Parameters
    ----------
    tree : Tree
    leaves : list of Leaf
        In the order of the cluster numbers.
    reads : Reads
    rows : Rows
        With the scaling of the tree and the leaves; blocks are not cached.
    failure : Exception or None
        The error that prevented the labels from being written.
    """

    tree: Tree
    leaves: list[Leaf]
    reads: Reads
    rows: Rows
    failure: Exception | None = None

    @property
    def scaling(self) -> Scaling | None:
        """Scaling of the tree and the leaves."""
        return self.rows.layout.scaling

    @property
    def centroids(self) -> Float64Array:
        """Centroids (k, d) of the leaves, float64."""
        return np.array([leaf.centroid for leaf in self.leaves])

    @property
    def counts(self) -> Float64Array:
        """Weight (k,) of the rows of each leaf."""
        return np.array([leaf.weight for leaf in self.leaves])

    @property
    def inertia(self) -> float:
        return sum(leaf.loss for leaf in self.leaves)


def model_from_bisected(result: Bisected, parameters: dict[str, Any]) -> Model:
    """Return the model of bisecting k-means for storage, with the parameters of the run."""
    centroids, scaling = result.centroids, result.scaling
    return Model(
        centroids if scaling is None else scaling.back(centroids),
        inertia=result.inertia,
        history=history_array([]),
        n_passes=result.reads.total,
        bytes_read=result.reads.bytes_read,
        reads=result.reads.by_phase,
        parameters=parameters,
        versions=versions(),
        scaling=scaling,
        scaled=None if scaling is None else centroids,
        features=list(result.rows.layout.names or ()),
        units=list(result.rows.layout.units or ()),
        tree=(result.tree.pairs, result.tree.children),
        counts=result.counts,
    )
