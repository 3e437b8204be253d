"""Learning how features are scaled: one read, before the fit's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from streamkm.engine import map_reduce
from streamkm.errors import DataError
from streamkm.fitting.state import FitState
from streamkm.passes import Census, FeatureMoments, Product, Sampled, SampleUniform, threshold_of
from streamkm.rows import Rows, Scaling, Standardised

SCALES = ("standard", "robust")
# Of which a quartile is off by 0.3 % of the rows, one standard error.
_SAMPLE = 32_768
_SPARE = 4  # so that a sample is still full where some rows are left out


def learn_scaling(rows: Rows, how: str) -> Standardised:
    """How to scale the features of some rows. One read.

    Parameters
    ----------
    rows : Rows
    how : 'standard' (mean and standard deviation) or 'robust' (median and the distance of the
        quartiles, of a sample of 32,768 rows drawn in proportion to nothing but their presence;
        a second read where so few are there that the first has found a quarter of these)

    Raises
    ------
    DataError
        For another name, and rows that no fit can use.
    """
    if how not in SCALES:
        raise DataError(f"scale={how!r}; use 'standard', 'robust' or None.")
    if how == "standard":
        census, moments = map_reduce(Product((Census(), FeatureMoments())), rows).parts
        census.check()
        return _as_stored(rows, moments.means, moments.scale)
    sample = _sample(rows, rows.layout.n_rows)
    low, middle, high = _quartiles(sample)
    apart = high - low
    return _as_stored(rows, middle, np.where(apart > 0, apart, 1.0))


def scaled(rows: Rows, scaling: Scaling) -> Rows:
    """The same rows, as passes see them when scaled; where that was learned of them, by a read."""
    opening = rows.opening_reads + isinstance(scaling, Standardised)
    layout = replace(rows.layout, scaling=scaling)
    return replace(rows, layout=layout, opening_reads=opening)


def seen_by(state: FitState, rows: Rows) -> Rows:
    """Rows as the passes of a fit see them."""
    return replace(rows, layout=replace(rows.layout, scaling=state.scaling))


def _sample(rows: Rows, n_rows: int) -> Sampled:
    threshold = threshold_of(min(1.0, _SPARE * _SAMPLE / n_rows))
    question = Product((Census(), SampleUniform(_SAMPLE, threshold, 0, 0)))
    census, sample = map_reduce(question, rows).parts
    census.check()
    few = len(sample.keys) < min(_SAMPLE // _SPARE, census.weighted)
    return _sample(rows, census.weighted) if few and census.weighted < n_rows else sample


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
