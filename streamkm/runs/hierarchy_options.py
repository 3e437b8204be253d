"""Options of a hierarchy of clusters."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from streamkm.numbers import whole_number
from streamkm.runs.fit_options import FitOptions

_DIRECT = 2048  # leaves that are fitted to all rows at once by default, without groups
MOST_LEVELS = 64
WEIGHTS = ("counts", "equal")


@dataclass(frozen=True)
class HierarchyOptions:
    """Options of a hierarchy; `HierarchicalKMeans` describes each of them.

    Parameters
    ----------
    sizes : tuple of int
        Number of clusters of each level, the leaves first.
    top_down : bool
        Whether each level is split from the level above it; otherwise each level above the leaves
        clusters the centroids of the level below.
    groups : int
        Groups of rows in which leaves are fitted that no level above them splits; 1 for a fit to
        all rows.
    branching : int or None
        Number of children of every cluster; None if they are in proportion to its rows.
    fit : FitOptions
        Of every fit, except for the number of clusters.
    resampling : int
        Rounds after every fit.
    resampled : int
        Rows of each cluster in these rounds.
    weights : {'counts', 'equal'}
        Weights of centroids in the levels above the leaves.
    """

    sizes: tuple[int, ...]
    top_down: bool
    groups: int
    branching: int | None
    fit: FitOptions
    resampling: int = 0
    resampled: int = 10
    weights: str = "counts"

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any], fit: FitOptions) -> HierarchyOptions:
        """Check parameters with the names of `HierarchicalKMeans`.

        Raises
        ------
        ValueError
            If a value is not allowed.
        """
        n_clusters, branching = parameters["n_clusters"], parameters["branching"]
        levels = whole_number("levels", parameters["levels"], 1, MOST_LEVELS)
        if branching is not None:
            branching = whole_number("branching", branching, 2, 2**31)
            sizes = tuple(branching**level for level in range(levels, 0, -1))
        elif _is_sequence(n_clusters):
            sizes = tuple(whole_number("n_clusters", each, 1) for each in n_clusters)
        else:
            k = whole_number("n_clusters", n_clusters, 1)
            sizes = tuple(_root(k, level, levels) for level in range(levels, 0, -1))
        if not sizes or any(below < above for below, above in itertools.pairwise(sizes)):
            raise ValueError(
                f"n_clusters={n_clusters!r}; give the numbers of clusters of the levels, the "
                "largest first, such as [10000, 500, 50]."
            )
        weights = parameters["level_weights"]
        if weights not in WEIGHTS:
            raise ValueError(f"level_weights={weights!r}; use 'counts' or 'equal'.")
        top_down = branching is not None or not _is_sequence(n_clusters)
        if top_down:
            _refuse_unused(parameters)
        return cls(
            sizes,
            top_down,
            groups=_groups(parameters["groups"], sizes[0]),
            branching=branching,
            fit=fit,
            resampling=whole_number("resampling", parameters["resampling"], 0),
            resampled=whole_number("resampled_rows", parameters["resampled_rows"], 1),
            weights=weights,
        )

    @property
    def splits(self) -> tuple[int, ...]:
        """Numbers of clusters of the levels that are fitted to rows, in the order of the fits."""
        if self.top_down:
            return self.sizes[::-1]
        return (self.sizes[0],) if self.groups == 1 else (self.groups, self.sizes[0])

    @property
    def first(self) -> FitOptions:
        """Options of the fit to all rows."""
        return self.of(self.splits[0])

    def of(self, n_clusters: int) -> FitOptions:
        """Options of a fit of so many clusters."""
        return replace(self.fit, n_clusters=n_clusters)


def _refuse_unused(parameters: Mapping[str, Any]) -> None:
    """Raise an error for options of levels above the leaves, where levels are split."""
    for name, default in (("groups", "auto"), ("level_weights", "counts")):
        value = parameters[name]
        if not isinstance(value, str) or value != default:
            raise ValueError(
                f"{name}={value!r} is for the numbers of clusters of several levels, such as "
                "n_clusters=[10000, 500]; leave it out."
            )
    if _is_sequence(parameters["n_clusters"]):
        raise ValueError("give either the numbers of clusters of the levels, or branching.")


def _groups(groups: Any, n_leaves: int) -> int:
    if isinstance(groups, str) and groups == "auto":
        return 1 if n_leaves <= _DIRECT else _root(n_leaves, 1, 2)
    return min(whole_number("groups", groups, 1), n_leaves)


def _root(n_clusters: int, level: int, levels: int) -> int:
    """Number of clusters of a level whose sizes are a geometric series up to `n_clusters`."""
    root: float = n_clusters ** (level / levels)
    return max(1, round(root))


def _is_sequence(value: Any) -> bool:
    return not isinstance(value, str) and hasattr(value, "__len__")
