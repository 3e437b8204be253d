"""Options of all runs: their data and checkpoints, the memory limit and the seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from streamkm.fitting import Checkpoint, FitState
from streamkm.rows import Budget, Rows, Scaling, open_rows
from streamkm.rows.open import FeatureDim
from streamkm.sizes import parse_bytes


@dataclass(frozen=True)
class DataOptions:
    """The data of a run.

    Parameters
    ----------
    data : array, or path or URL of a Zarr store
        As for `open_rows`.
    feature_dim : str, int, sequence of them, or None
        Feature dimension or dimensions of N-d data.
    variable : str, sequence of str, or None
        Name of the array within a Zarr group, or of several, which are the features.
    sample_weight, mask : array of the row shape, or None
    nodata : 'auto', None, float or sequence of float
        Rows with one of these values are left out.
    missing : None or 'omit', 'impute' or 'complete'
        As for `open_rows`.
    names : sequence of str or None
        Features to select, in order.
    memory_limit : int or None
        Peak memory of the process, in bytes.
    """

    data: Any
    feature_dim: FeatureDim = None
    variable: str | Sequence[str] | None = None
    sample_weight: Any = None
    mask: Any = None
    nodata: Any = "auto"
    missing: str | None = None
    names: Sequence[str] | None = None
    memory_limit: int | None = None

    def open(self, budget: Budget, scaling: Scaling | None = None, count: bool = True) -> Rows:
        """Open the data and plan their blocks; see `open_rows`."""
        return open_rows(
            self.data,
            feature_dim=self.feature_dim,
            variable=self.variable,
            sample_weight=self.sample_weight,
            mask=self.mask,
            nodata=self.nodata,
            missing=self.missing,
            names=self.names,
            budget=budget,
            scaling=scaling,
            count=count,
        )


class Interrupt(Protocol):
    """An interrupt that saves the checkpoint of a run and then ends the run."""

    def on_state(self, state: FitState) -> None:
        """Called with every state."""

    def on_search(self, step: str) -> None:
        """Called with every step of a search in memory."""


@dataclass(frozen=True)
class CheckpointOptions:
    """The path of a checkpoint, and how often a run saves its state.

    Parameters
    ----------
    where : path, URL or Zarr store
    seconds : float or None
        Minimum time between two states; None means one minute.
    reads : int or None
        Also save after so many reads.
    interrupt : callable or None
        Returns a context manager of the `Interrupt` that ends the run, which then also handles the
        time limit.
    """

    where: Any
    seconds: float | None = None
    reads: int | None = None
    interrupt: Callable[[Checkpoint], AbstractContextManager[Interrupt]] | None = None


def draw_seed(random_state: int | np.random.RandomState) -> int:
    """Return the seed of all draws: the given integer, or a drawn one."""
    if isinstance(random_state, int):
        return random_state
    return int(random_state.randint(np.iinfo(np.int32).max))


def memory_bytes(memory_limit: Any) -> int | None:
    """Return a memory limit in bytes, from a number or a string such as '2GiB'."""
    return None if memory_limit is None else parse_bytes(memory_limit)
