"""Row axes and feature axes of an array."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.rows.missing import Missing
from streamkm.rows.scaling import Scaling, working_dtype

_KINDS = "buif"
_CHANNELS = (3, 4)  # of colour images, without and with opacity


@dataclass(frozen=True)
class Layout:
    """Row axes and feature axes of the data, and the transformations of the rows.

    Parameters
    ----------
    shape : tuple of int
        Shape of the whole array.
    feature_axes : tuple of int
        Axes of the features of a row, in the order in which they are flattened.
    dtype : NumPy dtype of the stored data
    missing : Missing, or None if no rows are left out
    scaling : Scaling of the remaining rows, or None
    block_map : function applied to every block once it is read, or None: it leaves out rows, or
        replaces their values
    names : names of the features in the order in which passes receive them, or None
    units : unit of each feature in this order, empty if it has none, or None
    order : position of each feature in the stored order, or None for the stored order
    """

    shape: tuple[int, ...]
    feature_axes: tuple[int, ...]
    dtype: np.dtype[Any]
    missing: Missing | None = None
    scaling: Scaling | None = None
    block_map: Callable[[Any], Any] | None = None
    names: tuple[str, ...] | None = None
    order: tuple[int, ...] | None = None
    units: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.dtype.kind not in _KINDS:
            raise DataError(
                f"dtype {self.dtype} cannot be clustered: complex data, objects and text are not "
                "supported. Give real numbers: bool, integers or floats."
            )
        if self.dtype.itemsize > 8:
            raise DataError(f"dtype {self.dtype} is wider than float64; convert it first.")
        if self.n_rows == 0:
            raise DataError(
                python=f"Found array with 0 sample(s) (shape={self.shape}) while a minimum of 1 is "
                "required: the data are empty.",
                command=f"the data are empty: their shape is {self.shape}.",
            )
        if self.n_features == 0:
            raise DataError(
                python=f"Found array with 0 feature(s) (shape={self.shape}) while a minimum of 1 "
                "is required.",
                command=f"the data have no features: their shape is {self.shape}.",
            )

    @property
    def row_axes(self) -> tuple[int, ...]:
        return tuple(a for a in range(len(self.shape)) if a not in self.feature_axes)

    @property
    def row_shape(self) -> tuple[int, ...]:
        return tuple(self.shape[a] for a in self.row_axes)

    @property
    def n_rows(self) -> int:
        return math.prod(self.row_shape)

    @property
    def n_features(self) -> int:
        return math.prod(self.shape[a] for a in self.feature_axes)

    @property
    def block_dtype(self) -> np.dtype[Any]:
        """The dtype of the values of a block: floats if they may have gaps."""
        gaps = self.missing is not None and self.missing.partial
        return working_dtype(self.dtype) if gaps else self.dtype

    @property
    def nbytes(self) -> int:
        return self.n_rows * self.n_features * self.dtype.itemsize

    def matrix(self, values: AnyArray) -> AnyArray:
        """Return a block's values as (rows, features); a view where strides and order allow it."""
        if self.feature_axes != (values.ndim - 1,):
            values = np.moveaxis(values, self.feature_axes, range(-len(self.feature_axes), 0))
        matrix = values.reshape(-1, self.n_features)
        return matrix if self.order is None else matrix[:, list(self.order)]

    def full_region(self, region: tuple[slice, ...]) -> tuple[slice, ...]:
        """Return the region of the whole array for a region of the row axes."""
        rows = iter(region)
        return tuple(
            slice(None) if a in self.feature_axes else next(rows) for a in range(len(self.shape))
        )


def feature_axes(
    shape: tuple[int, ...],
    names: tuple[str | None, ...] | None,
    wanted: str | int | tuple[str | int, ...] | list[str | int] | None,
) -> tuple[int, ...]:
    """Resolve names or numbers of feature dimensions to axis numbers.

    The default for two-dimensional data is their last axis.
    """
    ndim = len(shape)
    if wanted is None:
        if ndim == 2:
            return (1,)
        raise _unknown_features(shape, names)
    axes = []
    for item in wanted if isinstance(wanted, (tuple, list)) else (wanted,):
        if isinstance(item, str):
            if not names or item not in names:
                raise DataError(
                    f"there is no dimension {item!r}; the data have "
                    f"{list(names) if names and any(names) else 'no names: give a number'}."
                )
            axes.append(names.index(item))
        elif -ndim <= item < ndim:
            axes.append(item % ndim)
        else:
            raise DataError(f"feature dimension {item} is not an axis of {ndim}-dimensional data.")
    if len(set(axes)) != len(axes) or len(axes) >= ndim:
        raise DataError(
            f"the feature dimensions {wanted!r} must be different axes and leave at least one "
            f"for the rows of {ndim}-dimensional data."
        )
    return tuple(axes)


def _unknown_features(shape: tuple[int, ...], names: tuple[str | None, ...] | None) -> DataError:
    """The error for data that are not of two dimensions, without a feature dimension."""
    found = f"Found array with dim {len(shape)} and shape {shape}, while dim 2 (rows, features) is "
    if len(shape) < 2:
        return DataError(
            f"{found}required.",
            python="Reshape your data either using array.reshape(-1, 1) if it has a single feature "
            "or array.reshape(1, -1) if it contains a single sample.",
            command="A 1-d array has no feature axis; several 1-d arrays of a group can be the "
            "features, with one --variable for each.",
        )
    known = f" Its dimensions are {list(names)}." if names and any(names) else ""
    python, command = "feature_dim=..., a name or number.", "--feature-dim, a name or number."
    axis = _colour_axis(shape)
    if axis is not None:
        own = names[axis] if names else None
        clusters = f"clusters its pixels by their {shape[axis]} colour channels."
        given = repr(own) if own else "-1" if axis else "0"
        python += f" If this is an image, feature_dim={given} {clusters}"
        command += f" If this is an image, --feature-dim {own or axis} {clusters}"
    return DataError(
        f"{found}required unless the feature dimensions are named.{known}",
        python=f"Name them by {python}",
        command=f"Name them by {command}",
    )


def _colour_axis(shape: tuple[int, ...]) -> int | None:
    """The axis that may be the colours of an image or of images, or None."""
    if shape[-1] in _CHANNELS:
        return len(shape) - 1
    return 0 if len(shape) == 3 and shape[0] in _CHANNELS else None


def check_beside(array: Any, row_shape: tuple[int, ...], name: str = "sample_weight") -> None:
    """Raise an error for weights or a mask without one real number for each row."""
    known = not any(np.isnan(n) for n in (*array.shape, *row_shape))
    if array.ndim != len(row_shape) or (known and array.shape != row_shape):
        raise beside_error(name, f"has shape {array.shape}; one value per row needs {row_shape}.")
    if array.dtype.kind not in "buif":
        raise beside_error(name, f"must be real numbers, not {array.dtype}.")


def beside_error(name: str, text: str, python: str = "") -> DataError:
    """Create an error for weights or a mask.

    Parameters
    ----------
    name : parameter, possibly followed by words
    text, python : rest of the message, and its end in Python's words
    """
    option = f"--{name}".replace("--sample_weight", "--weights")
    return DataError(python=f"{name} {text} {python}".rstrip(), command=f"{option} {text}")
