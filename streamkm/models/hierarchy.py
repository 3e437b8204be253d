"""Levels of clusters above the clusters of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import Float64Array
from streamkm.errors import DataError
from streamkm.models.checks import finite
from streamkm.outputs.reading import StoredGroup
from streamkm.outputs.sealing import write_array
from streamkm.rows import Scaling

Parents = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Hierarchy:
    """Levels of clusters above the leaves, which are the clusters of a model.

    The children of a cluster have consecutive numbers in the level below.

    Parameters
    ----------
    centroids : tuple of ndarray of shape (k, d), float64
        Centroids of each level above the leaves, the lowest first, of the scaled rows if there is a
        scaling.
    parents : tuple of ndarray of shape (k,), int64
        Of the leaves and of each level but the top: the cluster of the level above, in ascending
        order.
    """

    centroids: tuple[Float64Array, ...] = ()
    parents: tuple[Parents, ...] = ()

    @property
    def n_clusters(self) -> tuple[int, ...]:
        """Number of clusters of each level above the leaves, the lowest first."""
        return tuple(map(len, self.centroids))

    def counts(self, leaves: Float64Array) -> list[Float64Array]:
        """Return the counts of each level above the leaves, from those of the leaves (k,)."""
        found, below = list[Float64Array](), leaves
        for parents, centroids in zip(self.parents, self.centroids, strict=True):
            below = np.bincount(parents, below, minlength=len(centroids)).astype(np.float64)
            found.append(below)
        return found


def in_order(
    leaves: Float64Array, above: Sequence[Float64Array], parents: Sequence[Parents]
) -> tuple[Hierarchy, Parents]:
    """Number the clusters so that the children of each are consecutive; drop those without any.

    Parameters
    ----------
    leaves : centroids (k, d) of the leaves
    above : centroids of each level above, the lowest first
    parents : of the leaves and of each level but the top, the cluster of the level above

    Returns
    -------
    hierarchy : Hierarchy
    order : old number (k,) of each leaf
    """
    centroids, own = list(above), list(parents)
    for level in range(len(own)):
        kept, own[level] = np.unique(own[level], return_inverse=True)
        centroids[level] = centroids[level][kept]
        if level + 1 < len(own):
            own[level + 1] = own[level + 1][kept]
    order = np.arange(len(leaves))
    for level in reversed(range(len(own))):
        order = np.argsort(own[level], kind="stable")
        own[level] = own[level][order]
        if level > 0:
            centroids[level - 1] = centroids[level - 1][order]
            places = np.empty_like(order)
            places[order] = np.arange(len(order))
            own[level - 1] = places[own[level - 1]]
    return Hierarchy(tuple(centroids), tuple(own)), order


def write_hierarchy(
    group: Any,
    hierarchy: Hierarchy,
    counts: Float64Array | None,
    scaling: Scaling | None,
) -> None:
    """Write the parents of the leaves, and a group `levels/n` for each level above them.

    Parameters
    ----------
    group : zarr.Group of the model
    hierarchy : Hierarchy
    counts : of the leaves (k,), or None
    scaling : Scaling of the centroids, or None
    """
    sums = None if counts is None else hierarchy.counts(counts)
    below = group
    for level, (parents, centroids) in enumerate(
        zip(hierarchy.parents, hierarchy.centroids, strict=True), 1
    ):
        write_array(below, "parents", parents, ("cluster",))
        below = group.create_group(f"levels/{level}")
        shown = centroids if scaling is None else scaling.back(centroids)
        write_array(below, "centroids", shown, ("cluster", "feature"))
        if scaling is not None:
            write_array(below, "scaled_centroids", centroids, ("cluster", "feature"))
        if sums is not None:
            write_array(below, "counts", sums[level - 1], ("cluster",))


def read_hierarchy(group: StoredGroup, leaves: Float64Array, is_scaled: bool) -> Hierarchy | None:
    """Read what `write_hierarchy` wrote; None if the model has no levels.

    Parameters
    ----------
    group : StoredGroup of the model
    leaves : centroids (k, d) of the model
    is_scaled : whether there is a scaling

    Raises
    ------
    DataError
        If a level is missing, or the levels do not belong together.
    """
    above = group.group_in("levels")
    if above is None:
        return None
    name = "scaled_centroids" if is_scaled else "centroids"
    found = dict(above.group.groups())
    levels = [above.group_in(str(n)) for n in range(1, len(found) + 1)]
    if not levels or None in levels:
        raise DataError(f"{group.where} is damaged: a level of its hierarchy is missing.")
    whole = [level for level in levels if level is not None]
    d = leaves.shape[1]
    centroids = tuple(finite(level, name, 2, (None, d)) for level in whole)
    parents = tuple(below.read("parents", 1, "i") for below in [group, *whole[:-1]])
    sizes = [len(leaves), *map(len, centroids)]
    for own, below, top in zip(parents, sizes[:-1], sizes[1:], strict=True):
        if len(own) != below or not np.array_equal(_distinct(own), np.arange(top)):
            raise DataError(
                f"{group.where} is damaged: the parents of its levels do not ascend, or do "
                "not belong to their centroids."
            )
    return Hierarchy(centroids, parents)


def _distinct(values: Parents) -> Parents:
    """Return the first of each run of equal values; distinct values if they ascend."""
    first: Parents = values[np.diff(values, prepend=-1) != 0]
    return first
