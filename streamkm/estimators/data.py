"""The data of a call: its kind, its rows, and results of the same kind."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.outputs import DataArrayLabels, LabelStore
from streamkm.outputs.data_arrays import FEATURE, results_like, stacked
from streamkm.passes import label_dtype
from streamkm.rows import (
    FileArray,
    Named,
    Rows,
    Sliced,
    Variables,
    column_names,
    is_a,
    lazy_numbers,
    may_lack,
    name_in,
    numbers,
)
from streamkm.runs.labels import plain_labels
from streamkm.runs.options import DataOptions

_LAZY = ("dask.array.Array", "zarr.Array", "zarr.Group", "xarray.DataArray", "h5py.Dataset")


@dataclass(frozen=True)
class InputData:
    """Data as the user passed them.

    Parameters
    ----------
    array : source of the rows: an array, a DataArray, or the path of a store
    feature_dim : its feature dimensions
    names : of the columns of a table, or None
    """

    array: Any
    feature_dim: Any
    names: tuple[str, ...] | None = None

    @classmethod
    def from_data(cls, X: Any, feature_dim: Any) -> InputData:
        """Return data with all features; a Dataset becomes a DataArray, a frame of Dask an array.

        Raises
        ------
        DataError
            If the variables of a Dataset cannot be features, or `feature_dim` is given with it.
        """
        if is_a(X, "xarray.Dataset"):
            if feature_dim is not None:
                raise DataError(
                    f"feature_dim={feature_dim!r}: the features of a Dataset are its variables. To "
                    "cluster along a dimension, give one variable: dataset['name']."
                )
            return cls(stacked(X), FEATURE)
        if is_a(X, "dask.dataframe.DataFrame"):
            return cls(lazy_numbers(X), None, tuple(map(str, X.columns)))
        lazy = isinstance(X, (Sliced, FileArray, Variables)) or is_a(X, *_LAZY)
        return cls(X, feature_dim, None if lazy else column_names(X))

    @property
    def options(self) -> DataOptions:
        """The options with which a run opens all features of the data."""
        named = self.array if self.names is None else Named(self.array, self.names)
        return DataOptions(named, self.feature_dim)

    @property
    def of_lazy_kind(self) -> bool:
        """Whether rows are read from the data directly, without scikit-learn's conversion."""
        kinds = (str, os.PathLike, Sliced, FileArray, Variables)
        return isinstance(self.array, kinds) or is_a(self.array, *_LAZY)

    @property
    def is_lazy(self) -> bool:
        """Whether results stay lazy; those of a DataArray in memory are computed at once."""
        here = is_a(self.array, "xarray.DataArray") and not self.array.chunks
        return self.of_lazy_kind and not here

    def label_dtype(self, n_clusters: int, rows: Rows) -> np.dtype[Any]:
        """int32 for plain arrays, as in scikit-learn; else the smallest unsigned dtype.

        One further value is needed if rows may be left out.
        """
        plain = np.dtype(np.int32)
        return label_dtype(n_clusters, may_lack(rows)) if self.of_lazy_kind else plain

    def empty_labels(self, n_clusters: int, rows: Rows) -> AnyArray | None:
        """An array that a fit fills with its labels; None if labels stay lazy."""
        if self.is_lazy:
            return None
        return np.empty(rows.layout.row_shape, self.label_dtype(n_clusters, rows))

    def label_store(
        self, rows: Rows, dtype: np.dtype[Any], names: Sequence[str], of_file: bool
    ) -> LabelStore:
        """The layout of a store of labels; that of a DataArray includes its coordinates.

        The temporary store `of_file` also has the coordinates of a Zarr array.

        Raises
        ------
        DataError
            If a dimension or an index cannot be stored.
        """
        if not is_a(self.array, "xarray.DataArray"):
            return plain_labels(rows, dtype, names if of_file else None)
        import dask.array as da  # takes half a second

        empty = da.empty(rows.plan.row_shape, dtype=dtype, chunks=-1)
        return DataArrayLabels.from_labels(self.like(empty, rows, names))

    def like(self, answers: Any, rows: Rows, names: Sequence[str] | None = None) -> Any:
        """Return per-row results with the dimensions and coordinates of the data."""
        if not is_a(self.array, "xarray.DataArray"):
            return answers
        return results_like(self.array, self.feature_dim, answers, names, may_lack(rows))


def without_beside(X: Any, *beside: Any) -> Any:
    """Return a Dataset in which the variables named as weights or a mask are no features.

    They become coordinates, in which `open_rows` finds them. Other data are unchanged.
    """
    if not is_a(X, "xarray.Dataset"):
        return X
    named = [name_in(text) for text in beside if isinstance(text, str)]
    return X.set_coords([name for name in named if name in X.data_vars])


def weights_of(sample_weight: Any) -> Any:
    """Return lazy weights unchanged, and lists and Series as arrays."""
    lazy = sample_weight is None or InputData.from_data(sample_weight, None).of_lazy_kind
    return sample_weight if lazy else numbers(sample_weight)
