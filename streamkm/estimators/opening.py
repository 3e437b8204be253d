"""Data of estimators: checked as scikit-learn does, and matched with the features of the fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, check_is_fitted

from streamkm.arrays import Float64Array
from streamkm.errors import DataError
from streamkm.estimators.data import InputData, weights_of, without_beside
from streamkm.rows import Rows, is_a, is_table, numbers, open_rows
from streamkm.runs.options import DataOptions, memory_bytes
from streamkm.warn import warn


def names_of(estimator: Any) -> tuple[str, ...] | None:
    """The names of the features that an estimator was fitted on, or None."""
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else tuple(map(str, names))


def given_centroids(what: Any) -> tuple[Float64Array, tuple[str, ...] | None]:
    """Return the centroids (k, d) of a user, and the names of their features, or None.

    Parameters
    ----------
    what : array-like, table or DataArray of shape (k, d), or a fitted estimator

    Raises
    ------
    NotFittedError
        For an estimator without centroids.
    """
    if hasattr(what, "cluster_centers_"):
        return np.array(what.cluster_centers_, np.float64, ndmin=2), names_of(what)
    if isinstance(what, BaseEstimator):
        check_is_fitted(what, "cluster_centers_")
    given = InputData.from_data(what, None)
    names = given.names
    if is_a(given.array, "xarray.DataArray") and given.array.ndim == 2:
        names = open_rows(given.array).layout.names
    return np.array(given.array, np.float64, ndmin=2), names


def data_options(
    estimator: Any, X: Any, sample_weight: Any, mask: Any, names: Sequence[str] | None
) -> tuple[InputData, DataOptions]:
    """Return the data of the call, and the options with which a run opens them.

    Parameters
    ----------
    estimator : whose `feature_dim`, `nodata` and `memory_limit` are used
    X, sample_weight, mask : as for `KMeans.fit`
    names : features to select, in order, or None
    """
    X = without_beside(X, sample_weight, mask)
    if names and is_a(X, "xarray.Dataset") and set(names) < set(map(str, X.data_vars)):
        X = X[list(names)]
    given = InputData.from_data(X, estimator.feature_dim)
    # `open_rows` refuses other N-d data, and says which dimension may be the features.
    if not given.of_lazy_kind and estimator.feature_dim is None and getattr(X, "ndim", 2) <= 2:
        checked = check_array(
            _in_numbers(X),
            dtype="numeric",
            ensure_all_finite=False,
            accept_sparse=False,
            estimator=estimator,
            input_name="X",
        )
        if isinstance(X, np.ma.MaskedArray):
            checked = np.ma.masked_array(checked, np.ma.getmask(X))
        given = replace(given, array=checked)
    return given, replace(
        given.options,
        sample_weight=weights_of(sample_weight),
        mask=weights_of(mask),
        nodata=estimator.nodata,
        missing=getattr(estimator, "missing", None),
        names=names,
        memory_limit=memory_bytes(estimator.memory_limit),
    )


def _in_numbers(X: Any) -> Any:
    """Convert tables and objects to numbers by `streamkm.rows.numbers`; return others unchanged."""
    array = np.asarray(X) if isinstance(X, (list, tuple)) else X
    objects = getattr(array, "dtype", None) == np.dtype(object)
    return numbers(array) if objects or is_table(X) else X


def check_features(estimator: Any, rows: Rows) -> None:
    """Refuse rows whose number of features differs from that of the fit."""
    if rows.layout.n_features != estimator.n_features_in_:
        raise DataError(
            f"X has {rows.layout.n_features} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input."
        )


def warn_of_names(estimator: Any, given: InputData, rows: Rows) -> None:
    """Warn like scikit-learn if only one of the fit and a table in memory has feature names."""
    if given.of_lazy_kind or given.feature_dim is not None:
        return
    kind, known = type(estimator).__name__, names_of(estimator)
    message = None
    if known is not None and rows.layout.names is None:
        message = f"X does not have valid feature names, but {kind} was fitted with feature names"
    elif known is None and rows.layout.names is not None:
        message = f"X has feature names, but {kind} was fitted without feature names"
    if message:
        warn(message, UserWarning)


@contextmanager
def all_or_nothing(estimator: Any) -> Iterator[None]:
    """Restore the attributes of an estimator if the block fails or is interrupted."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise
