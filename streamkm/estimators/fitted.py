"""The centroids of a fitted estimator, and data opened for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from streamkm.arrays import AnyArray, Float64Array
from streamkm.engine import map_rows, work_budget, write_rows
from streamkm.estimators.data import InputData
from streamkm.estimators.opening import check_features, data_options, names_of, warn_of_names
from streamkm.heap import one_heap
from streamkm.outputs.data_arrays import flag_names
from streamkm.passes import Closest, Labels, Lloyd, Pass, PerRow
from streamkm.rows import Budget, Rows, Scaling
from streamkm.runs.options import memory_bytes


class Fitted(BaseEstimator):
    """Centroids, their scale and names, and the passes that use them.

    A subclass has the parameters `feature_dim`, `nodata` and `memory_limit`, and sets its centroids
    by `_take`.
    """

    feature_dim: Any
    nodata: Any
    memory_limit: Any
    cluster_centers_: Float64Array
    n_features_in_: int
    feature_names_in_: AnyArray
    feature_units_: AnyArray
    _scaling: Scaling | None = None
    _scaled: Float64Array | None = None

    @property
    def _centroids(self) -> Float64Array:
        """`cluster_centers_` in the units of passes; the exact bits of the fit unless changed."""
        shown = np.asarray(self.cluster_centers_, np.float64)
        if self._scaling is None:
            return shown
        if self._scaled is not None and np.array_equal(shown, self._scaling.back(self._scaled)):
            return self._scaled  # scaling back and forth may round
        return self._scaling.there(shown)

    def _answer(self, given: InputData, question: PerRow[Any], rows: Rows) -> Any:
        names = None if question.width else self._names()
        if given.is_lazy:
            return given.like(map_rows(question, rows), rows, names)
        extra = () if question.width is None else (question.width,)
        out = np.empty((*rows.layout.row_shape, *extra), question.dtype)
        write_rows(question, rows, out)
        return given.like(out, rows, names)

    def _closest(self, n: int, keep_values: bool = True) -> Closest:
        return Closest(self._centroids, n, None, keep_values)

    def _names(self) -> list[str]:
        known = getattr(self, "cluster_names_", None)
        return flag_names(None if known is None else list(known), len(self.cluster_centers_))

    def _question(self, dtype: np.dtype[Any]) -> PerRow[Any]:
        """The pass that labels rows."""
        return Labels(self._centroids, dtype)

    def _loss_pass(self) -> Pass[Any]:
        """The pass of an iteration, which measures the loss."""
        return Lloyd(self._centroids)

    def _labels(self, given: InputData, rows: Rows) -> PerRow[Any]:
        return self._question(given.label_dtype(len(self.cluster_centers_), rows))

    def _set_labels(
        self,
        given: InputData,
        rows: Rows,
        labels: AnyArray | None,
        question: PerRow[Any] | None = None,
    ) -> None:
        """Set `labels_` to the labels of a fit, or to lazy ones if there are none.

        Lazy labels are those of the nearest centroids, or of another pass.
        """
        lazy = question or self._labels(given, rows)
        answers = map_rows(lazy, rows) if labels is None else labels
        self.labels_ = given.like(answers, rows, self._names())

    def _rows(
        self,
        X: Any,
        sample_weight: Any,
        mask: Any,
        *,
        answer_nbytes: int = 8,
        ranked: int = 0,
        count: bool = False,
        gaps: bool = False,
    ) -> tuple[InputData, Rows]:
        """The data as they were given, and their rows with the features and the scale of the fit.

        `ranked` is the number of rows of each cluster that the read finds; `count` says whether
        unknown chunk sizes of lazy data are counted, which takes a read. `gaps` says whether the
        caller can use rows with gaps; otherwise they are left out if the fit has used them.
        """
        if self.memory_limit is not None:
            one_heap()
        given, data = data_options(self, X, sample_weight, mask, names_of(self))
        if data.missing is not None and not gaps:
            data = replace(data, missing="complete")
        rows = data.open(
            replace(
                self._budget(),
                answer_nbytes=answer_nbytes,
                ranked=ranked and ranked * len(self.cluster_centers_),
            ),
            scaling=self._scaling,
            count=count or not given.is_lazy,
        )
        check_features(self, rows)
        warn_of_names(self, given, rows)
        return given, rows

    def _budget(self) -> Budget:
        k = len(self.cluster_centers_)
        return work_budget(memory_bytes(self.memory_limit), k)

    def __getstate__(self) -> dict[str, Any]:
        """Exclude lazy labels from pickles, because they hold the graph of the data."""
        state: dict[str, Any] = dict(super().__getstate__())
        if InputData.from_data(state.get("labels_"), None).is_lazy:
            del state["labels_"]
        return state

    def _set_units(self, units: Sequence[str] | None) -> None:
        """Set the units of the features, or remove those of an earlier fit."""
        if units:
            self.feature_units_ = np.array(units, dtype=object)
        elif hasattr(self, "feature_units_"):
            del self.feature_units_

    def _take(
        self, centroids: Float64Array, scaling: Scaling | None, names: Sequence[str] | None = None
    ) -> None:
        """Set the centroids, in the units of passes, and the names of their features."""
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_  # from an earlier fit
        self._scaling, self._scaled = scaling, centroids
        self.cluster_centers_ = centroids if scaling is None else scaling.back(centroids)
        for name in ("cluster_names_", "counts_"):
            if hasattr(self, name):
                delattr(self, name)  # of other clusters
        self.n_features_in_ = centroids.shape[1]
        self._n_features_out = len(centroids)
