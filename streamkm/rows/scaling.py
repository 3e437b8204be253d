"""Transformations of stored rows before the kernels: scaled, of unit length, or shifted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from streamkm.arrays import AnyArray, Float64Array, FloatArray
from streamkm.checkpointable import Checkpointable
from streamkm.errors import DataError

_STEPS = 64  # digits of float64 within the spread, below which centroids are too inaccurate
_WRAPS = 2.0**62  # differences of values up to this limit do not overflow 64 bits


def working_dtype(stored: np.dtype[Any]) -> np.dtype[Any]:
    """Return the precision of the kernels: float32 if it represents every stored value exactly."""
    return np.result_type(stored, np.float32)


class Scaling(Protocol):
    """Transformation of stored rows to the rows that the kernels receive."""

    def __call__(self, values: AnyArray) -> FloatArray:
        """Return scaled rows (n, d), a C-contiguous copy, of stored values (n, d)."""

    def dtype(self, stored: np.dtype[Any]) -> np.dtype[Any]:
        """Return the dtype of scaled rows, float32 or float64, for a stored dtype."""

    def back(self, centroids: Float64Array) -> Float64Array:
        """Convert centroids (k, d) of scaled rows to the units of the stored rows."""

    def there(self, centroids: Float64Array) -> Float64Array:
        """Convert centroids (k, d) in the units of the stored rows to those of scaled rows."""


@dataclass(frozen=True)
class Standardised(Checkpointable):
    """Rows (x - center) * factor, for each feature.

    Parameters
    ----------
    center, factor : tuple of d floats
        In the precision of the data, so that conversions are the same everywhere.
    """

    center: tuple[float, ...]
    factor: tuple[float, ...]

    def dtype(self, stored: np.dtype[Any]) -> np.dtype[Any]:
        return working_dtype(stored)

    def __call__(self, values: AnyArray) -> FloatArray:
        x: FloatArray = np.array(values, self.dtype(values.dtype), order="C")
        with np.errstate(over="ignore", invalid="ignore"):  # the census reports such rows
            x -= np.asarray(self.center, x.dtype)
            x *= np.asarray(self.factor, x.dtype)
        return x

    def back(self, centroids: Float64Array) -> Float64Array:
        return np.asarray(centroids / np.asarray(self.factor) + np.asarray(self.center))

    def there(self, centroids: Float64Array) -> Float64Array:
        return np.asarray((centroids - np.asarray(self.center)) * np.asarray(self.factor))


@dataclass(frozen=True)
class UnitLength(Checkpointable):
    """Rows x / |x| of unit length; rows of zeros stay zero."""

    def dtype(self, stored: np.dtype[Any]) -> np.dtype[Any]:
        return working_dtype(stored)

    def __call__(self, values: AnyArray) -> FloatArray:
        x: FloatArray = np.array(values, self.dtype(values.dtype), order="C")
        largest = np.abs(x).max(axis=1, keepdims=True)  # first divided, so that no square overflows
        with np.errstate(invalid="ignore"):  # the census reports such rows
            np.divide(x, largest, out=x, where=largest > 0)
        length = np.sqrt(np.einsum("nd,nd->n", x, x, dtype=np.float64))[:, None]
        np.divide(x, length, out=x, where=length > 0, casting="same_kind")
        return x

    def back(self, centroids: Float64Array) -> Float64Array:
        return centroids

    def there(self, centroids: Float64Array) -> Float64Array:
        length = np.linalg.norm(centroids, axis=1, keepdims=True)
        return np.asarray(centroids / np.where(length > 0, length, 1.0))


@dataclass(frozen=True)
class Shifted(Checkpointable):
    """Rows x - origin, scaled afterwards if there is a further scaling.

    It is used for data far from zero compared with their spread, because sums and means of the
    stored values would lose too many digits. The difference is exact, also for integers of 64 bits
    that float64 cannot represent.

    Parameters
    ----------
    origin : tuple of d floats; integers within the stored dtype for integer data
    spread : largest extent of a feature, in data units
    then : further Scaling of the shifted rows, or None
    """

    origin: tuple[float, ...]
    spread: float
    then: Scaling | None = None

    def dtype(self, stored: np.dtype[Any]) -> np.dtype[Any]:
        return np.dtype(np.float64)

    def __call__(self, values: AnyArray) -> FloatArray:
        x = np.ascontiguousarray(_minus(values, np.array(self.origin)))
        return x if self.then is None else self.then(x)

    def back(self, centroids: Float64Array) -> Float64Array:
        own = centroids if self.then is None else self.then.back(centroids)
        return np.asarray(own + np.array(self.origin))

    def there(self, centroids: Float64Array) -> Float64Array:
        check_digits(centroids, self.spread)
        return self.shifted(centroids - np.array(self.origin))

    def shifted(self, centroids: Float64Array) -> Float64Array:
        """Convert centroids (k, d) minus the origin to those of scaled rows."""
        return centroids if self.then is None else self.then.there(centroids)


def among(
    centroids: Float64Array, scaling: Scaling | None, before: Scaling | None = None
) -> Float64Array:
    """Convert centroids (k, d) from the rows of one scaling to those of another.

    Parameters
    ----------
    centroids : ndarray of shape (k, d)
    scaling : Scaling of the result, or None for the units of the data
    before : Scaling of the given centroids, or None for the units of the data

    Raises
    ------
    DataError
        If centroids in the units of the data are too far from zero to be distinguished.
    """
    # By the difference of the origins, so that float64 keeps all digits.
    if isinstance(before, Shifted) and isinstance(scaling, Shifted):
        own = centroids if before.then is None else before.then.back(centroids)
        return scaling.shifted(own + (np.array(before.origin) - np.array(scaling.origin)))
    own = centroids if before is None else before.back(centroids)
    return own if scaling is None else scaling.there(own)


def check_digits(centroids: Float64Array, spread: float) -> None:
    """Raise an error for centroids (k, d) that float64 cannot represent finely enough for a spread.

    Raises
    ------
    DataError
        With both numbers.
    """
    step = float(np.spacing(np.abs(centroids)).max(initial=0.0))
    if step > spread / _STEPS:
        raise DataError(
            f"the centroids are too far from zero: the spacing of float64 there is {step:g}, too "
            f"coarse for a spread of {spread:g}. Subtract the same origin from them and the data."
        )


def _minus(values: AnyArray, origin: Float64Array) -> Float64Array:
    """Return values (n, d) minus an origin (d,), rounded once."""
    with np.errstate(invalid="ignore"):  # the census reports infinite values
        rounded = values.astype(np.float64) - origin
    if values.dtype.kind not in "iu" or values.dtype.itemsize < 8:
        return np.asarray(rounded)
    limits = np.iinfo(values.dtype)
    if not all(limits.min <= number <= limits.max for number in origin.tolist()):
        return np.asarray(rounded)
    modular = (values - origin.astype(values.dtype)).view(np.int64)
    return np.where(np.abs(rounded) < _WRAPS, modular.astype(np.float64), rounded)
