"""Rows of a sample in groups, and the share of the centroids of each group."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array
from streamkm.checkpointable import Checkpointable
from streamkm.in_memory.points import in_pieces
from streamkm.in_memory.shares import shares
from streamkm.kernels import Centroids, one_blas_thread
from streamkm.passes import Distinct, Sampled
from streamkm.rows import Block, read_only

Counts = npt.NDArray[np.int64]
_SURPLUS = 1.25  # centroids that a group is searched for, for each of its share


@dataclass(frozen=True)
class Groups(Checkpointable):
    """The rows of a sample by group.

    Parameters
    ----------
    rows : ndarray of shape (m,), int64
        Numbers of the rows of the sample, sorted by group.
    offsets : ndarray of shape (g + 1,), int64
        Group i has the rows offsets[i] to offsets[i + 1].
    clusters : ndarray of shape (g,), int64
        Its share of the centroids.
    searched : ndarray of shape (g,), int64
        Number of centroids that it is searched for, at least its share.
    """

    rows: Counts
    offsets: Counts
    clusters: Counts
    searched: Counts

    def of(self, group: int, sample: Sampled) -> Sampled:
        """Return the rows of a group."""
        own = self.rows[self.offsets[group] : self.offsets[group + 1]]
        names = ("keys", "rates", "weights", "numbers", "values")
        return replace(sample, **{name: getattr(sample, name)[own] for name in names})


def grouped(sample: Sampled, centroids: Float64Array, k: int) -> Groups:
    """Divide a sample by the nearest centroid, and the k clusters among the groups.

    A group with the loss J about its centroid has a loss of about J k_i^(-2/p) about k_i centroids,
    where p is the number of dimensions that the rows occupy. The sum is least for k_i in proportion
    to J^(p / (p + 2)) (Zador, IEEE Trans. Inf. Theory 28, 1982). p follows from the loss of the
    groups compared with that about the mean of all rows.

    Parameters
    ----------
    sample : Sampled
        More than k distinct rows.
    centroids : ndarray of shape (g, d)
    k : int
    """
    labels, d2 = nearest_in_pieces(sample.values, centroids)
    weights = sample.estimates
    weights = weights / weights.max()
    n_groups = len(centroids)
    losses = np.bincount(labels, weights * d2, minlength=n_groups)
    masses = np.bincount(labels, weights, minlength=n_groups)
    between = masses @ ((centroids - np.average(centroids, 0, masses)) ** 2).sum(axis=1)
    rows = np.argsort(labels, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(labels, minlength=n_groups))])
    none = np.zeros(n_groups, np.int64)
    groups = Groups(rows, offsets, none, none)
    distinct = np.array([_n_distinct(groups.of(i, sample).values) for i in range(n_groups)])
    power = _power(n_groups, float(losses.sum()), float(between))
    rates: Float64Array = np.power(losses, power)
    clusters = shares(k, rates, distinct)
    searched = np.minimum(np.ceil(_SURPLUS * clusters).astype(np.int64), distinct)
    return replace(groups, clusters=clusters, searched=searched)


def _power(n_groups: int, within: float, between: float) -> float:
    """Return p / (p + 2), from the losses within and between the groups."""
    if n_groups == 1 or not within > 0:
        return 1.0
    return math.log(n_groups) / math.log(n_groups * (1 + between / within))


def nearest_in_pieces(values: AnyArray, centroids: Float64Array) -> tuple[Any, Float64Array]:
    """Return labels and squared distances, each (m,), computed by threads."""
    ready = Centroids(centroids, values.dtype)
    labels, d2 = np.empty(len(values), np.int32), np.empty(len(values))

    def fill(piece: slice) -> None:
        labels[piece], d2[piece] = ready.nearest(read_only(np.ascontiguousarray(values[piece])))

    with one_blas_thread():
        in_pieces(fill, len(values))
    return labels, d2


def _n_distinct(values: AnyArray) -> int:
    return len(Distinct(len(values))(Block.from_values(values)).weights) if len(values) else 0
