"""Learn the scale of features in a read before the fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.engine import map_reduce
from streamkm.errors import DataError
from streamkm.passes import (
    Census,
    Extents,
    FeatureMoments,
    Moments,
    Pass,
    Product,
    Sampled,
    SampleUniform,
    threshold_of,
)
from streamkm.rows import Rows, Scaling, Standardised
from streamkm.rows.scaling import working_dtype

SCALES = ("standard", "robust")
# A quartile of so many rows has a standard error of 0.3 % of the rows.
_SAMPLE = 32_768
_SPARE = 4  # sample more rows, because some may be left out


def learn_scaling(rows: Rows, how: str | None) -> Rows:
    """Learn the scale of the features, and return the rows with this scaling.

    Parameters
    ----------
    rows : Rows
    how : {'standard', 'robust', None}
        'standard' is the mean and the standard deviation, in one read. 'robust' is the median and
        the interquartile range of a uniform sample of 32,768 rows, in one read, or in two if so
        many rows are left out that the first read samples fewer than a quarter of them. None
        returns the rows unchanged. Values far from zero are shifted first, in one more read.

    Returns
    -------
    Rows
        These reads count as opening reads.

    Raises
    ------
    DataError
        If `how` is another name, or the rows cannot be clustered.
    """
    if how is None:
        return rows
    if how not in SCALES:
        raise DataError(f"scale={how!r}; use 'standard', 'robust' or None.")
    question: Pass[Any] = FeatureMoments()
    if how == "robust":
        question = _sampling(rows.layout.n_rows)
    (census, extent, found), reads = _opened(rows, question), 1
    extent.refuse_tiny()
    shift = extent.shift
    if shift is not None:
        rows, reads = with_scaling(rows, shift), 2
        census, _, found = _opened(rows, question)
    if isinstance(found, Sampled) and len(found.keys) < min(_SAMPLE // _SPARE, census.weighted):
        _, _, found = _opened(rows, _sampling(census.weighted))
        reads += 1
    scaling: Scaling = _learned(rows, found)
    scaling = scaling if shift is None else replace(shift, then=scaling)
    return replace(with_scaling(rows, scaling), opening_reads=rows.opening_reads + reads)


def _opened(rows: Rows, question: Pass[Any]) -> tuple[Any, ...]:
    """The census, the extents and the statistic of a pass, in one read."""
    parts = map_reduce(Product((Census(), Extents(), question)), rows).parts
    parts[0].check()
    return parts


def _learned(rows: Rows, found: Moments | Sampled) -> Standardised:
    if isinstance(found, Moments):
        return _as_stored(rows, found.means, found.scale)
    low, middle, high = _quartiles(found)
    apart = high - low
    return _as_stored(rows, middle, np.where(apart > 0, apart, 1.0))


def with_scaling(rows: Rows, scaling: Scaling | None) -> Rows:
    """Return the rows with a scaling, which is applied when a block is used."""
    return replace(rows, layout=replace(rows.layout, scaling=scaling))


def _sampling(n_rows: int) -> SampleUniform:
    """A uniform sample of about 32,768 rows."""
    return SampleUniform(_SAMPLE, threshold_of(min(1.0, _SPARE * _SAMPLE / n_rows)), 0, 0)


def _quartiles(sample: Sampled) -> Float64Array:
    """Weighted quartiles (3, d): the least value whose cumulative weight is large enough."""
    return np.asarray(
        np.quantile(
            sample.values.astype(np.float64),
            [0.25, 0.5, 0.75],
            axis=0,
            weights=sample.estimates,
            method="inverted_cdf",
        )
    )


def _as_stored(rows: Rows, center: Float64Array, scale: Float64Array) -> Standardised:
    """Round a scaling to the precision in which rows are scaled, so that its inverse is exact."""
    scaling, stored = rows.layout.scaling, rows.layout.dtype
    dtype = working_dtype(stored) if scaling is None else scaling.dtype(stored)
    return Standardised(
        tuple(center.astype(dtype).astype(float).tolist()),
        tuple((1 / scale).astype(dtype).astype(float).tolist()),
    )
