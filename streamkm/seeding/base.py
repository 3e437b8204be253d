"""The seeding protocol, and helpers for its methods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.checkpointable import Checkpointable
from streamkm.errors import FewDistinctRowsWarning
from streamkm.passes import Pass
from streamkm.warn import warn


@dataclass(frozen=True)
class Task:
    """Arguments that every seeding method starts from.

    Parameters
    ----------
    k : int
        Number of centroids.
    seed : int
        Unsigned 64-bit key of all random draws.
    n_rows : int
        Rows of the data.
    sample : int
        Maximum number of rows of a sample, by the available memory.
    """

    k: int
    seed: int
    n_rows: int
    sample: int


@dataclass(frozen=True)
class Seeding(Checkpointable, ABC):
    """State of a seeding method between two reads.

    A method never reads: `ask` returns the pass to run over all rows, and `tell` takes its
    statistic and returns the next state, or the centroids. Therefore the driver can combine the
    passes of many restarts in one read, and save the state between any two reads. A long search in
    memory is divided into steps, each a call of `advance`, and is saved between any two of them.

    Parameters
    ----------
    k : int
        Number of centroids.
    seed : int
        Unsigned 64-bit key of all random draws.
    """

    k: int
    seed: int

    @classmethod
    def from_task(cls, task: Task) -> Self:
        """Return the first state."""
        return cls(task.k, task.seed)

    def for_table(self, n_rows: int) -> Self:
        """Return the first state for a table of `n_rows` distinct rows that replaces the data."""
        return self

    @property
    def blocks(self) -> tuple[int, ...] | None:
        """Numbers of the blocks that the next pass reads, or None for all."""
        return None

    @property
    def working(self) -> str:
        """Description of a search in memory that has begun; empty outside one."""
        return ""

    def advance(self) -> Seeding | Float64Array | None:
        """Return the state after steps in memory, or the centroids, or None if it needs a pass."""
        return None

    @abstractmethod
    def ask(self) -> Pass[Any]:
        """Return the pass whose statistic `tell` takes next."""

    @abstractmethod
    def tell(self, statistic: Any) -> Seeding | Float64Array:
        """Return the next state, or the centroids, float64 of shape (k, d), when done."""


def append_rows(rows: Float64Array, drawn: Float64Array) -> Float64Array:
    """Return two arrays of rows as one; an empty one may be of shape (0, 0)."""
    parts = [part for part in (rows, drawn) if len(part)]
    return np.concatenate(parts) if parts else drawn


def exactly_k(rows: Float64Array, k: int) -> Float64Array:
    """Return the first k rows; repeat rows, with a warning, where there are fewer.

    Warns
    -----
    FewDistinctRowsWarning
        If there are fewer than k rows.
    """
    if len(rows) < k:
        warn(
            f"only {len(rows)} distinct rows of positive weight were found for {k} clusters; "
            f"Number of distinct clusters ({len(rows)}) found smaller than n_clusters ({k}): "
            "the surplus centroids repeat others and stay empty. Ask for fewer clusters.",
            FewDistinctRowsWarning,
        )
        rows = np.resize(rows, (k, rows.shape[1]))
    return rows[:k]
