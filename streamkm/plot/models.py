"""The models that are drawn, the names of their clusters, and rows of data in their scale."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from streamkm.arrays import AnyArray, Float64Array, Int32Array
from streamkm.engine import map_reduce
from streamkm.errors import DataError
from streamkm.estimators.centroids import CentroidEstimator
from streamkm.estimators.data import InputData
from streamkm.estimators.loading import from_model
from streamkm.estimators.opening import check_features, names_of
from streamkm.models.model import Model
from streamkm.models.storage import load_model
from streamkm.passes import Pass
from streamkm.rows import Block, Rows, Scaling, Shifted, UnitLength
from streamkm.rows.units import with_units, without_midnight


@dataclass(frozen=True)
class Drawn:
    """A fitted model, and what plots show of it.

    Parameters
    ----------
    fitted : estimator
    variable : str, list of str or None
        Names of the arrays within a Zarr group on which the command line fitted the model.
    """

    fitted: CentroidEstimator
    variable: str | list[str] | None = None

    @classmethod
    def from_model(cls, model: Any) -> Drawn:
        """Return a fitted estimator, a `Model` or the path of one in this form.

        Raises
        ------
        DataError
            If it is none of these.
        """
        if isinstance(model, (str, os.PathLike)):
            model = load_model(model)
        if isinstance(model, Model):
            return cls(from_model(model), model.parameters.get("variable"))
        if not isinstance(model, CentroidEstimator):
            raise DataError(
                f"give a fitted estimator, a Model or its path, not {type(model).__name__}."
            )
        check_is_fitted(model, "cluster_centers_")
        return cls(model)

    @property
    def centroids(self) -> Float64Array:
        """Centroids of shape (k, d), in the units of the data."""
        return np.asarray(self.fitted.cluster_centers_, np.float64)

    @property
    def names(self) -> list[str]:
        """The names of the clusters, else their numbers; the number follows an ambiguous name."""
        known = getattr(self.fitted, "cluster_names_", None)
        if known is None:
            return [str(number) for number in range(len(self.centroids))]
        texts = [None if name is None else str(name) for name in known]
        return [
            f"cluster {i}" if text is None else f"{text} ({i})" if texts.count(text) > 1 else text
            for i, text in enumerate(texts)
        ]

    @property
    def feature_names(self) -> list[str] | None:
        """The names of the features, or None."""
        names = names_of(self.fitted)
        return None if names is None else list(names)

    @property
    def feature_dim(self) -> str | None:
        """The name of the feature dimension, or None if there is not exactly one."""
        given = self.fitted.feature_dim
        names = given if isinstance(given, (list, tuple)) else [given]
        return names[0] if len(names) == 1 and isinstance(names[0], str) else None

    @property
    def units(self) -> list[str] | None:
        """The units of the features, or None."""
        units = getattr(self.fitted, "feature_units_", None)
        return None if units is None else list(units)

    @property
    def axis_labels(self) -> list[str] | None:
        """The names of the features with their units, or None."""
        names = self.feature_names
        if names is None:
            return None
        units = None if isinstance(self.scaling, UnitLength) else self.units
        return with_units(without_midnight(names), units)

    @property
    def unit(self) -> str:
        """The unit that all features share, or nothing."""
        units = set(() if self.units is None else self.units)
        return units.pop() if len(units) == 1 and units.isdisjoint({"", "1"}) else ""

    @property
    def scaling(self) -> Scaling | None:
        """The scaling of the rows, without the shift of data far from zero."""
        scaling = self.fitted._scaling
        return scaling.then if isinstance(scaling, Shifted) else scaling

    @property
    def scaled_as(self) -> str:
        """The end of the label of an axis that names the scaling; empty without a scaling."""
        if self.scaling is None:
            return ""
        return ", unit length" if isinstance(self.scaling, UnitLength) else ", scaled"

    def open(self, X: Any) -> Rows:
        """Open data as rows with the features and the scaling of the fit.

        For a fit that used rows with gaps, rows with gaps are left out, because they cannot be
        placed.
        """
        fitted = self.fitted
        data = InputData.from_data(X, fitted.feature_dim).options
        data = replace(data, variable=self.variable, nodata=fitted.nodata, names=names_of(fitted))
        if getattr(fitted, "missing", None) is not None:
            data = replace(data, missing="complete")
        rows = data.open(fitted._budget(), scaling=fitted._scaling)
        check_features(fitted, rows)
        return rows

    def sample(self, question: Pass[Any], rows: Rows) -> tuple[AnyArray, Int32Array]:
        """Return scaled rows (n, d) that a pass draws in one read, and their labels (n,).

        Raises
        ------
        DataError
            If no row is left.
        """
        values: AnyArray = map_reduce(question, rows).values
        if not len(values):
            raise DataError("the data have no rows that can be drawn: all are left out as nodata.")
        return values, self.labels(values)

    def labels(self, values: AnyArray) -> Int32Array:
        """Return the labels (n,) of scaled rows (n, d)."""
        labels, _ = self.fitted._question(np.dtype(np.int32))(Block.from_values(values))
        return np.asarray(labels, np.int32)

    def back(self, values: AnyArray) -> Float64Array:
        """Convert scaled rows (n, d) to the units of the data; unit vectors stay as they are."""
        scaling, wide = self.fitted._scaling, values.astype(np.float64)
        return wide if scaling is None else scaling.back(wide)
