"""Balanced samples of rows: equal shares of the clusters, or of every level of a hierarchy.

Shares are divided equally among clusters; a cluster with fewer rows than its share gives all of
them, and the surplus is divided among the others (Vo et al. 2024, arXiv:2405.15613, section 3.4).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamkm.arrays import Float64Array
from streamkm.engine import map_reduce
from streamkm.models.hierarchy import Hierarchy
from streamkm.passes import Assigner, DrawMembers, Members
from streamkm.rows import Rows

Counts = npt.NDArray[np.int64]
HOW = ("hierarchical", "flat")
_STREAM = 2**62 + 1


def sample_rows(
    rows: Rows,
    leaves: Float64Array,
    hierarchy: Hierarchy,
    assigner: Assigner | None,
    n: int,
    how: str,
    seed: int,
) -> Counts:
    """Draw rows in two reads: the sizes of the clusters, and the rows of each.

    Parameters
    ----------
    rows : Rows
    leaves : ndarray of shape (k, d), centroids
    hierarchy : Hierarchy above them
    assigner : as for `Closest`
    n : number of rows
    how : {'hierarchical', 'flat'}
    seed : of all draws

    Returns
    -------
    ndarray of shape (n,), int64
        Row numbers in ascending order; all rows if there are fewer than n.
    """
    sizes = map_reduce(Members(leaves, assigner), rows).counts
    rng = np.random.Generator(np.random.Philox(key=[seed, _STREAM]))
    quotas = down_the_tree(n, sizes, hierarchy if how == "hierarchical" else Hierarchy(), rng)
    question = DrawMembers(leaves, quotas, assigner, False, seed, _STREAM)
    return np.sort(map_reduce(question, rows).numbers)


def down_the_tree(n: int, sizes: Counts, hierarchy: Hierarchy, rng: np.random.Generator) -> Counts:
    """Return the number of rows (k,) to draw of each leaf.

    Parameters
    ----------
    n : number of rows
    sizes : ndarray of shape (k,), rows of each leaf
    hierarchy : Hierarchy, without levels for equal shares of the leaves
    rng : Generator, decides which clusters get a row more if the shares are not whole

    Examples
    --------
    >>> two = Hierarchy((np.zeros((2, 1)),), (np.array([0, 0, 0, 1]),))
    >>> rng = np.random.default_rng(0)
    >>> down_the_tree(40, np.array([5, 90, 90, 90]), two, rng).sum()
    np.int64(40)
    >>> down_the_tree(40, np.array([4, 90, 90, 90]), two, rng).tolist()
    [4, 8, 8, 20]
    """
    levels = [sizes]
    for parents, centroids in zip(hierarchy.parents, hierarchy.centroids, strict=True):
        levels.append(np.bincount(parents, levels[-1], minlength=len(centroids)).astype(np.int64))
    quotas = equal_shares(n, levels[-1], rng)
    for below, parents in zip(levels[-2::-1], hierarchy.parents[::-1], strict=True):
        starts = np.searchsorted(parents, np.arange(len(quotas) + 1))
        parts = [
            equal_shares(int(quota), below[starts[c] : starts[c + 1]], rng)
            for c, quota in enumerate(quotas)
        ]
        quotas = np.concatenate(parts)
    return quotas


def equal_shares(total: int, sizes: Counts, rng: np.random.Generator) -> Counts:
    """Divide `total` equally among parts, none of which gets more than its size.

    Parameters
    ----------
    total : int
    sizes : ndarray of shape (k,), int64
    rng : Generator, decides which parts get one more

    Examples
    --------
    >>> equal_shares(12, np.array([1, 50, 50]), np.random.default_rng(0)).sum()
    np.int64(12)
    """
    if total >= sizes.sum():
        return sizes.copy()
    order = np.sort(sizes)
    # Rows that are given out if every part gets at most order[i].
    given = np.cumsum(order) + order * np.arange(len(order) - 1, -1, -1)
    full = int(np.searchsorted(given, total, side="right"))  # parts that give all their rows
    rest = total - int(order[:full].sum())
    level = rest // (len(order) - full)
    found = np.minimum(sizes, level)
    able = np.flatnonzero(sizes > level)
    found[rng.permutation(able)[: total - int(found.sum())]] += 1
    return found
