"""The summary that an estimator of a stream has, and what follows from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.estimators.centroids import CentroidEstimator
from streamkm.estimators.frozen import as_parameter
from streamkm.models.model import Model
from streamkm.runs.stream import solution_of
from streamkm.runs.stream_seen import SeenData
from streamkm.streaming import Drift, Solution, Summary, WeightedRows, solve


class Summarised(CentroidEstimator):
    """The centroids of a summary, which is searched when they are requested after new rows."""

    frozen: Any
    radius: Any
    _seen = SeenData()
    _summary: Summary | None = None
    _solution: Solution | None = None  # of the last search
    _is_solved: bool = False  # whether no rows arrived since then

    @property
    def cluster_centers_(self) -> Float64Array:
        """Centroids of all rows seen so far, of shape (n_clusters, n_features)."""
        return self._solved.centroids

    @cluster_centers_.setter
    def cluster_centers_(self, centroids: Float64Array) -> None:
        self._solution = replace(self._solved, centroids=np.asarray(centroids, np.float64))

    @property
    def counts_(self) -> Float64Array:
        """Estimated weight of the rows of each cluster, of shape (n_clusters,)."""
        return self._solved.counts

    @property
    def inertia_(self) -> float:
        """Estimated loss of all rows seen so far, in squared data units."""
        return self._solved.inertia

    @property
    def drift_(self) -> Drift | None:
        """Changes from the clusters of the search before; None after the first search."""
        return self._solved.drift

    @property
    def n_rows_seen_(self) -> int:
        """Number of rows seen so far, without those that were left out."""
        return self._known.counted.rows

    @property
    def summary_(self) -> WeightedRows:
        """The summary: rows, of shape (m, n_features), and their weights, of shape (m,)."""
        present = self._known.remembered()
        return WeightedRows(present.values, present.estimates)

    @property
    def _known(self) -> Summary:
        if self._summary is None:
            raise AttributeError(f"this {type(self).__name__} has not seen any rows yet.")
        return self._summary

    @property
    def _solved(self) -> Solution:
        if self._solution is None or not self._is_solved:
            self._solution = solve(self._known, self._solution)
            self._is_solved = True
        return self._solution

    def _forget(self) -> None:
        """Remove everything that is known of earlier rows."""
        self._summary = self._solution = None
        self._seen = SeenData()
        self._remove("feature_names_in_", "cluster_names_", "labels_", "changes_")

    def _remove(self, *names: str) -> None:
        for name in names:
            if hasattr(self, name):
                delattr(self, name)

    def _restore(self, model: Model) -> Self:
        """Set the state of a stored model, so that `partial_fit` continues with its bits."""
        self._summary = Summary.from_stored(model.summary)
        self.n_features_in_ = model.centroids.shape[1]
        if model.features:
            self.feature_names_in_ = np.array(model.features, dtype=object)
        if model.names:
            self.cluster_names_ = np.array(model.names, dtype=object)
        self._set_units(model.units)
        self._solution, self._is_solved = solution_of(model), True
        self._seen = SeenData.of_model(model)
        if frozen := model.summary.get("frozen"):
            self.frozen = as_parameter(frozen["centroids"], model.features)
            self.radius = frozen["radius"]
        return self

    @property
    def _n_features_out(self) -> int:  # type: ignore[override]
        return len(self.cluster_centers_)

    def __sklearn_is_fitted__(self) -> bool:
        return self._summary is not None
