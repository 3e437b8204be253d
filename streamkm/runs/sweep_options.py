"""Options of sweeps, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from streamkm.errors import DataError
from streamkm.numbers import MOST_RESTARTS, whole_number
from streamkm.runs.fit_options import FitOptions
from streamkm.updates import StopRules


@dataclass(frozen=True)
class SweepOptions:
    """Options of a sweep; `streamkm.sweep` describes each of them.

    Parameters
    ----------
    n_clusters : tuple of int
        Values of k, ascending.
    fit : FitOptions
        Options of the fits; its `n_clusters` is the largest k.
    silhouette_rows : int
    """

    n_clusters: tuple[int, ...]
    fit: FitOptions
    silhouette_rows: int

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """Check parameters of these names; all other names are ignored.

        Raises
        ------
        ValueError
            If a value is not allowed.
        """
        n_clusters = _numbers_of_clusters(parameters["n_clusters"])
        n_init = whole_number("n_init", parameters["n_init"], 1, MOST_RESTARTS)
        own = {"n_clusters": n_clusters[-1], "n_init": n_init}
        silhouette_rows = whole_number("silhouette_rows", parameters["silhouette_rows"])
        return cls(n_clusters, FitOptions.from_parameters({**parameters, **own}), silhouette_rows)

    @property
    def inits(self) -> list[str]:
        """The seeding method of each restart."""
        init, n_init = str(self.fit.init), self.fit.n_init
        return ["coreset", *["random"] * (n_init - 1)] if init == "auto" else [init] * n_init

    @property
    def rules(self) -> list[StopRules]:
        """The stop rules of each trajectory."""
        return [self.fit.rules.after(init, k) for k in self.n_clusters for init in self.inits]

    @property
    def compared(self) -> dict[str, Any]:
        """The options as a checkpoint stores them."""
        names = ("init", "n_init", "max_iter", "tol", "loss_tol", "scale", "random_state")
        options = {name: getattr(self.fit, name) for name in names}
        if not isinstance(self.fit.random_state, int):
            del options["random_state"]
        options |= {"n_clusters": self.n_clusters, "silhouette_rows": self.silhouette_rows}
        return options


def _numbers_of_clusters(n_clusters: Any) -> tuple[int, ...]:
    ks = np.atleast_1d(np.asarray(n_clusters))
    positive = ks.ndim == 1 and ks.dtype.kind in "iu" and ks.size and ks[0] > 0
    if not positive or np.any(np.diff(ks) <= 0):
        raise DataError(f"n_clusters={n_clusters!r}: give increasing integers of 1 or more.")
    return tuple(int(k) for k in ks)
