"""Hierarchical k-means: its data and options before the first read, and its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streamkm.arrays import AnyArray, Float64Array
from streamkm.engine import memory_without_limit
from streamkm.errors import MemoryLimitError
from streamkm.heap import one_heap
from streamkm.models.hierarchy import Hierarchy
from streamkm.models.model import Model
from streamkm.rows import PROCESS_NBYTES, Budget, Layout, Rows, Scaling
from streamkm.runs.fit import PreparedFit
from streamkm.runs.hierarchy_options import HierarchyOptions
from streamkm.runs.options import DataOptions
from streamkm.runs.routing import Routing
from streamkm.sizes import show_bytes
from streamkm.versions import versions

# Of the centroids of the lowest level [measured: 7.7, docs/benchmarks.md].
_COPIES = 8


@dataclass(frozen=True)
class PreparedHierarchy:
    """A hierarchy with open data and checked options, before the first read.

    Parameters
    ----------
    options : HierarchyOptions
    first : PreparedFit, of the fit to all rows
    memory_limit : int or None
    """

    options: HierarchyOptions
    first: PreparedFit
    memory_limit: int | None

    @property
    def rows(self) -> Rows:
        return self.first.rows


@dataclass(frozen=True)
class GrownHierarchy:
    """The result of hierarchical k-means.

    Parameters
    ----------
    leaves : ndarray of shape (k, d), float64, centroids in the scaling of the rows
    counts : ndarray of shape (k,), float64, weight of the rows of each leaf
    inertia : float, loss of the rows, each in a leaf of its group
    hierarchy : Hierarchy
    scaling : Scaling or None
    history : structured ndarray, the iterations of the fit to all rows
    n_passes : float, reads of the data
    routing : Routing
    """

    leaves: Float64Array
    counts: Float64Array
    inertia: float
    hierarchy: Hierarchy
    scaling: Scaling | None
    history: AnyArray
    n_passes: float
    routing: Routing


def prepare_hierarchy(data: DataOptions, options: HierarchyOptions) -> PreparedHierarchy:
    """Plan the memory, open the data, and check the options.

    Raises
    ------
    DataError
        If the data cannot be clustered, or have fewer rows than the lowest level has clusters.
    MemoryLimitError
        If the work does not fit the memory limit.
    """
    if data.memory_limit is not None:
        one_heap()
    first = options.first
    budget = first.budget(data.memory_limit)
    rows = data.open(budget)
    _check_memory(options.sizes[0], rows.layout, data.memory_limit)
    options.of(options.sizes[0]).check(rows)
    prepared = PreparedFit(first.for_rows(rows), rows, budget)
    return PreparedHierarchy(options, prepared, data.memory_limit)


def leaves_nbytes(n_clusters: int, layout: Layout) -> int:
    """Return the bytes of a process with the centroids of the lowest level, and work on them."""
    return PROCESS_NBYTES + _COPIES * n_clusters * layout.n_features * 8


def _check_memory(n_clusters: int, layout: Layout, limit: int | None) -> None:
    """Raise an error if the centroids of the lowest level do not fit the limit, or the machine."""
    need = leaves_nbytes(n_clusters, layout)
    budget = Budget(limit, machine=memory_without_limit())
    if not budget.allows(need):
        nbytes = n_clusters * layout.n_features * 8
        more = "Use a larger machine" if limit is None else "Raise the limit"
        raise MemoryLimitError(
            f"the centroids of {n_clusters:,} clusters have {show_bytes(nbytes)}; the run needs "
            f"{show_bytes(need)} for them and the process itself, over {budget.most}. {more}, or "
            "ask for fewer clusters."
        )


def model_from_hierarchy(result: GrownHierarchy, rows: Rows, parameters: dict[str, Any]) -> Model:
    """Return the model of a hierarchy for storage, with the parameters of the run."""
    leaves, scaling = result.leaves, result.scaling
    return Model(
        leaves if scaling is None else scaling.back(leaves),
        inertia=result.inertia,
        history=result.history,
        n_passes=result.n_passes,
        bytes_read=int(result.n_passes * rows.layout.nbytes),
        parameters=parameters,
        versions=versions(),
        scaling=scaling,
        scaled=None if scaling is None else leaves,
        features=list(rows.layout.names or ()),
        units=list(rows.layout.units or ()),
        counts=result.counts,
        hierarchy=result.hierarchy,
    )
