"""Centroids that a stream keeps, beside which it finds new clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.errors import DataError, ParameterError
from streamkm.models.model import Model
from streamkm.numbers import real_number
from streamkm.rows import Shifted, refuse_other_units, reordering
from streamkm.runs.labels import digest_of
from streamkm.streaming import Frozen

_FAR = 4.0  # default radius, in root mean square distances of the rows of the model


@dataclass(frozen=True)
class FrozenModel:
    """The centroids of a model that a stream keeps.

    Parameters
    ----------
    centroids : ndarray of shape (f, d), float64
    radius : float
        Distance from all centroids, in units of the data, beyond which a row is of a new cluster.
    names : tuple of str, names of the features; empty if they have none
    units : tuple of str, their units; empty if they have none
    """

    centroids: Float64Array
    radius: float
    names: tuple[str, ...] = ()
    units: tuple[str, ...] = ()

    @classmethod
    def from_model(cls, model: Model, radius: object) -> Self:
        """Check the centroids of a model, and the radius, or 'auto'.

        Raises
        ------
        ParameterError
            If the radius is no positive number, or 'auto' for a model without a loss.
        DataError
            If the centroids are no such array, or those of scaled rows.
        """
        centroids = model.centroids
        if centroids.ndim != 2 or not centroids.size or not np.isfinite(centroids).all():
            raise DataError(
                f"frozen has centroids of shape {centroids.shape}; give finite numbers of shape "
                "(clusters, features)."
            )
        plain = isinstance(model.scaling, Shifted) and model.scaling.then is None
        if model.scaling is not None and not plain:
            raise DataError(
                "frozen is a model of scaled rows, but a stream has no scale: give the centroids "
                "of a model without a scale, and with the Euclidean metric."
            )
        distance = _root_mean_square(model) if radius == "auto" else None
        if distance is not None:
            radius = _FAR * distance
        elif radius == "auto":
            raise ParameterError(
                "frozen has no positive loss and sizes of its clusters, from which a radius would "
                "follow:",
                python="give radius, a distance in units of the data.",
                command="give --radius, a distance in units of the data.",
            )
        names, units = tuple(model.features), tuple(model.units)
        return cls(centroids, real_number("radius", radius, above=True), names, units)

    def for_data(
        self, n_features: int, names: Sequence[str] | None, units: Sequence[str] | None
    ) -> Frozen:
        """Return the centroids with the features in the order of the data.

        Raises
        ------
        DataError
            If the features or their units are others.
        """
        d = self.centroids.shape[1]
        if d != n_features:
            raise DataError(f"frozen has {d} features, but the data have {n_features}.")
        order = reordering(self.names or None, names or None, ("frozen", "the data"))
        at = list(range(d) if order is None else order)
        own = [self.units[place] for place in at] if self.units else None
        refuse_other_units(units, own, names, "the data have")
        return Frozen.beginning(np.ascontiguousarray(self.centroids[:, at]), self.radius)

    @property
    def recorded(self) -> dict[str, Any]:
        """What a checkpoint compares."""
        return {"frozen": digest_of((self.centroids, self.names)), "radius": self.radius}


def refuse_few(n_clusters: int, n_frozen: int) -> None:
    """Refuse a number of clusters that has no place for new ones beside the frozen ones.

    Raises
    ------
    ParameterError
    """
    if n_clusters <= n_frozen:
        raise ParameterError(
            f"n_clusters={n_clusters} has no place for new clusters beside the {n_frozen} frozen "
            f"ones: give at least {n_frozen + 1}."
        )


def _root_mean_square(model: Model) -> float | None:
    """Return the root mean square distance of the rows of a model, if it is known and positive."""
    if model.counts is None or model.batches or not model.inertia > 0:
        return None
    total = float(model.counts.sum())
    return float(np.sqrt(model.inertia / total)) if total > 0 else None
