"""What the kernels see in the place of the stored rows: scaled, of unit length, or shifted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from streamkm.arrays import AnyArray, Float64Array, FloatArray
from streamkm.errors import DataError

_STEPS = 64  # of float64 within the spread, without which centroids are not those that were meant
_WRAPS = 2.0**62  # differences up to here do not overflow 64 bits


def working_dtype(stored: np.dtype[Any]) -> np.dtype[Any]:
    """The precision the kernels work in: float32 where it holds every stored value exactly."""
    return np.result_type(stored, np.float32)


class Scaling(Protocol):
    """What the kernels see in the place of the stored rows."""

    def __call__(self, values: AnyArray) -> FloatArray:
        """Scaled rows (n, d), C-contiguous and a copy, from stored values (n, d)."""

    def dtype(self, stored: np.dtype[Any]) -> np.dtype[Any]:
        """The dtype of scaled rows, float32 or float64, for a stored dtype."""

    def back(self, centroids: Float64Array) -> Float64Array:
        """Centroids (k, d) of scaled rows, in the units of the stored ones."""

    def there(self, centroids: Float64Array) -> Float64Array:
        """Centroids (k, d) in the units of the stored rows, among the scaled ones."""


@dataclass(frozen=True)
class Standardised:
    """(x - center) * factor, feature by feature.

    Parameters
    ----------
    center, factor : tuple of d floats
        Of the data's own precision, so that to go there and back is the same for everyone.
    """

    center: tuple[float, ...]
    factor: tuple[float, ...]

    def dtype(self, stored: np.dtype[Any]) -> np.dtype[Any]:
        return working_dtype(stored)

    def __call__(self, values: AnyArray) -> FloatArray:
        x: FloatArray = np.array(values, self.dtype(values.dtype), order="C")
        with np.errstate(over="ignore", invalid="ignore"):  # such rows are refused elsewhere
            x -= np.asarray(self.center, x.dtype)
            x *= np.asarray(self.factor, x.dtype)
        return x

    def back(self, centroids: Float64Array) -> Float64Array:
        return np.asarray(centroids / np.asarray(self.factor) + np.asarray(self.center))

    def there(self, centroids: Float64Array) -> Float64Array:
        return np.asarray((centroids - np.asarray(self.center)) * np.asarray(self.factor))


@dataclass(frozen=True)
class UnitLength:
    """x / |x|: rows as directions. A row of zeros can_cache one."""

    def dtype(self, stored: np.dtype[Any]) -> np.dtype[Any]:
        return working_dtype(stored)

    def __call__(self, values: AnyArray) -> FloatArray:
        x: FloatArray = np.array(values, self.dtype(values.dtype), order="C")
        largest = np.abs(x).max(axis=1, keepdims=True)  # first, so that no square overflows
        with np.errstate(invalid="ignore"):  # such rows are refused elsewhere
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
class Shifted:
    """x - origin, then scaled where there is a further scaling.

    For data that are far from zero against their spread, of which sums and means of the stored
    values would keep too few digits. The difference is exact for integers of 64 bits too, where
    the stored values themselves have no place in float64.

    Parameters
    ----------
    origin : tuple of d floats; integers within the stored dtype where that is one of integers
    spread : largest extent of a feature, in data units
    then : Scaling of the shifted rows, or None
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
        """Centroids (k, d) minus the origin, among the scaled rows."""
        return centroids if self.then is None else self.then.there(centroids)


def among(
    centroids: Float64Array, scaling: Scaling | None, before: Scaling | None = None
) -> Float64Array:
    """Centroids (k, d) among the rows of one scaling, as they are among those of another.

    Parameters
    ----------
    centroids : ndarray of shape (k, d)
    scaling : Scaling that they are wanted for, or None for the units of the data
    before : Scaling that they are given in, or None for the units of the data

    Raises
    ------
    DataError
        When centroids in the units of the data are too far from zero to be told apart.
    """
    if isinstance(before, Shifted) and isinstance(scaling, Shifted):  # float64 keeps all digits
        own = centroids if before.then is None else before.then.back(centroids)
        return scaling.shifted(own + (np.array(before.origin) - np.array(scaling.origin)))
    own = centroids if before is None else before.back(centroids)
    return own if scaling is None else scaling.there(own)


def check_digits(centroids: Float64Array, spread: float) -> None:
    """Refuse centroids (k, d) that float64 does not hold finely enough for data of such a spread.

    Raises
    ------
    DataError
        With both figures.
    """
    step = float(np.spacing(np.abs(centroids)).max(initial=0.0))
    if step > spread / _STEPS:
        raise DataError(
            f"the centroids lie so far from zero that float64 has steps of {step:g} there, too "
            f"coarse for a spread of {spread:g}: subtract an origin from them and from the data."
        )


def _minus(values: AnyArray, origin: Float64Array) -> Float64Array:
    """Values (n, d) minus an origin (d,), rounded once."""
    with np.errstate(invalid="ignore"):  # infinite values are refused elsewhere
        rounded = values.astype(np.float64) - origin
    if values.dtype.kind not in "iu" or values.dtype.itemsize < 8:
        return np.asarray(rounded)
    limits = np.iinfo(values.dtype)
    if not all(limits.min <= number <= limits.max for number in origin.tolist()):
        return np.asarray(rounded)
    modular = (values - origin.astype(values.dtype)).view(np.int64)
    return np.where(np.abs(rounded) < _WRAPS, modular.astype(np.float64), rounded)
