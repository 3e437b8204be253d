"""Rows that are left out when they are read, because of missing values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.rows.scaling import working_dtype

_MOST = 256  # values, each of which is compared with all data
_PART_NBYTES = 2**20  # values tested together, so that intermediate results are small


@dataclass(frozen=True)
class Missing:
    """Condition on which rows are left out: any feature is masked or has one of these values.

    Parameters
    ----------
    values : tuple of numbers, which may include NaN
    masked : whether the data are masked arrays
    partial : whether rows with gaps are kept, and only rows without any value are left out
    """

    values: tuple[float | int, ...]
    masked: bool = False
    partial: bool = False

    @classmethod
    def from_values(cls, values: Iterable[float | int], masked: bool = False) -> Self | None:
        """Create the condition from numbers and the data; None if no values can be missing."""
        found = tuple(dict.fromkeys(value if value == value else np.nan for value in values))
        if len(found) > _MOST:
            raise DataError(
                f"{len(found):,} missing values are announced, more than {_MOST}: correct the "
                "attributes of the data, or name the values as nodata."
            )
        return cls(found, masked) if found or masked else None

    def with_nan(self, partial: bool) -> Missing:
        """Return the condition with NaN among the missing values."""
        return Missing(tuple(dict.fromkeys((*self.values, np.nan))), self.masked, partial)

    def present(self, values: AnyArray) -> npt.NDArray[np.bool_]:
        """Return which rows (n,) of values (n, d), of the stored dtype, are not left out."""
        if self.partial:
            return np.asarray(~self._gaps(values).all(axis=1))
        present = np.ones(len(values), bool)
        if self.masked:
            present &= ~np.ma.getmaskarray(values).any(axis=1)
        values = np.ma.getdata(values)
        step = max(1, _PART_NBYTES // max(1, values.itemsize * values.shape[1]))
        for start in range(0, len(values), step):
            part = values[start : start + step]
            for value in self.values:
                equal = _equal(part, value)
                if equal is not None:
                    present[start : start + step] &= ~equal.any(axis=1)
        return present

    def with_gaps(self, values: AnyArray) -> AnyArray:
        """Return values (n, d) with NaN where they are missing: floats, themselves if possible."""
        data = np.ma.getdata(values)
        if data.dtype.kind == "f" and not self.masked and all(v != v for v in self.values):
            return data
        filled = data.astype(working_dtype(data.dtype))
        filled[self._gaps(values)] = np.nan
        return filled

    def _gaps(self, values: AnyArray) -> npt.NDArray[np.bool_]:
        """Return which values (n, d) are missing."""
        data = np.ma.getdata(values)
        gaps = np.ma.getmaskarray(values).copy() if self.masked else np.zeros(data.shape, bool)
        for value in self.values:
            equal = _equal(data, value) if data.size else None
            if equal is not None:
                gaps |= equal
        return gaps

    def valid(self, values: AnyArray) -> npt.NDArray[np.bool_]:
        """Return which values, of any shape, are not missing."""
        return self.present(values.reshape(-1, 1)).reshape(values.shape)


def _equal(part: AnyArray, value: float | int) -> npt.NDArray[np.bool_] | None:
    """Return which elements equal a value; None if the dtype cannot represent it or none does."""
    if value != value:
        if part.dtype.kind != "f" or part.min() == part.min():
            return None
        return np.asarray(np.isnan(part))
    if part.dtype.kind == "f":
        with np.errstate(over="ignore"):
            own = part.dtype.type(value)
            if np.isinf(own) and not np.isinf(value):
                return None
            if part.dtype.itemsize == 4 and np.isinf(own + own) and np.isfinite(own):
                # As GDAL compares, whose relative tolerance overflows here: -3.4e38 and
                # -3.40282e38 both stand for the least float32, however a writer rounded it.
                return np.asarray(np.isinf(part + own) & np.isfinite(part))
    else:
        least, most = (0, 1) if part.dtype.kind == "b" else _range(part.dtype)
        if np.isinf(value) or value != int(value) or not least <= value <= most:
            return None
        own = part.dtype.type(int(value))
    return np.asarray(part == own)


def _range(dtype: np.dtype[Any]) -> tuple[int, int]:
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
