"""Learning how features are scaled: one read, before the fit's own."""

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
# Of which a quartile is off by 0.3 % of the rows, one standard error.
_SAMPLE = 32_768
_SPARE = 4  # so that a sample is still full where some rows are left out


def learn_scaling(rows: Rows, how: str | None) -> Rows:
    """The same rows, as passes see them when scaled; the reads that it took are opening reads.

    Parameters
    ----------
    rows : Rows
    how : 'standard' (mean and standard deviation: one read), 'robust' (median and the distance of
        the quartiles, of a sample of 32,768 rows drawn in proportion to nothing but their presence:
        one read, or two where so few are there that the first has found a quarter of these), or
        None, at no read; a read more where values are so far from zero that they are shifted first

    Raises
    ------
    DataError
        For another name, and rows that no fit can use.
    """
    if how is None:
        return rows
    if how not in SCALES:
        raise DataError(f"scale={how!r}; use 'standard', 'robust' or None.")
    question: Pass[Any] = FeatureMoments()
    if how == "robust":
        question = _sampling(rows.layout.n_rows)
    (census, extent, found), reads = _opened(rows, question), 1
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
    """The census, the extent and the answer to a question, in one read."""
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
    """Rows as the passes of a fit with this scaling see them."""
    return replace(rows, layout=replace(rows.layout, scaling=scaling))


def _sampling(n_rows: int) -> SampleUniform:
    """The sample of about so many rows."""
    return SampleUniform(_SAMPLE, threshold_of(min(1.0, _SPARE * _SAMPLE / n_rows)), 0, 0)


def _quartiles(sample: Sampled) -> Float64Array:
    """Weighted quartiles (3, d): the first value with so much of the weight at or below it."""
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
    """In the precision that rows are scaled in, so that the way back is the same."""
    scaling, stored = rows.layout.scaling, rows.layout.dtype
    dtype = working_dtype(stored) if scaling is None else scaling.dtype(stored)
    return Standardised(
        tuple(center.astype(dtype).astype(float).tolist()),
        tuple((1 / scale).astype(dtype).astype(float).tolist()),
    )
