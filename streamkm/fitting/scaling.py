"""Learning how features are scaled: one read, before the fit's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from streamkm.engine import map_reduce
from streamkm.errors import DataError
from streamkm.passes import Census, FeatureMoments, Product, Sampled, SampleUniform, threshold_of
from streamkm.rows import Rows, Scaling, Standardised

SCALES = ("standard", "robust")
# Of which a quartile is off by 0.3 % of the rows, one standard error.
_SAMPLE = 32_768
_SPARE = 4  # so that a sample is still full where some rows are left out


def scaled(rows: Rows, how: str | None) -> Rows:
    """The same rows, as passes see them when scaled; the reads that it took are opening reads.

    Parameters
    ----------
    rows : Rows
    how : 'standard' (mean and standard deviation: one read), 'robust' (median and the distance of
        the quartiles, of a sample of 32,768 rows drawn in proportion to nothing but their presence:
        one read, or two where so few are there that the first has found a quarter of these), or
        None, at no read

    Raises
    ------
    DataError
        For another name, and rows that no fit can use.
    """
    if how is None:
        return rows
    if how not in SCALES:
        raise DataError(f"scale={how!r}; use 'standard', 'robust' or None.")
    reads = 1
    if how == "standard":
        census, moments = map_reduce(Product((Census(), FeatureMoments())), rows).parts
        census.check()
        scaling = _as_stored(rows, moments.means, moments.scale)
    else:
        sample, there = _sample(rows, rows.layout.n_rows)
        if len(sample.keys) < min(_SAMPLE // _SPARE, there):
            (sample, _), reads = _sample(rows, there), 2
        low, middle, high = _quartiles(sample)
        apart = high - low
        scaling = _as_stored(rows, middle, np.where(apart > 0, apart, 1.0))
    return replace(seen_through(rows, scaling), opening_reads=rows.opening_reads + reads)


def seen_through(rows: Rows, scaling: Scaling | None) -> Rows:
    """Rows as the passes of a fit with this scaling see them."""
    return replace(rows, layout=replace(rows.layout, scaling=scaling))


def _sample(rows: Rows, n_rows: int) -> tuple[Sampled, int]:
    """A sample for about so many rows, and how many there were."""
    threshold = threshold_of(min(1.0, _SPARE * _SAMPLE / n_rows))
    question = Product((Census(), SampleUniform(_SAMPLE, threshold, 0, 0)))
    census, sample = map_reduce(question, rows).parts
    census.check()
    return sample, census.weighted


def _quartiles(sample: Sampled) -> npt.NDArray[np.float64]:
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


def _as_stored(
    rows: Rows, center: npt.NDArray[np.float64], scale: npt.NDArray[np.float64]
) -> Standardised:
    """In the precision that rows are scaled in, so that the way back is the same."""
    dtype = np.result_type(rows.layout.dtype, np.float32)
    return Standardised(
        tuple(center.astype(dtype).astype(float).tolist()),
        tuple((1 / scale).astype(dtype).astype(float).tolist()),
    )
