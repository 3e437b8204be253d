"""Choosing k: every k, every restart and the validation loss in one set of reads."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from streamkm.arrays import Float64Array
from streamkm.engine import caching, map_reduce
from streamkm.errors import DataError, ParameterError, ValidationWarning
from streamkm.estimators.data import Given
from streamkm.estimators.parameters import checked_random_state
from streamkm.fitting import (
    FitState,
    first_sweep_state,
    fit_budget,
    iterate,
    restart_seeds,
    with_scaling,
)
from streamkm.models.sweep import KIND
from streamkm.models.sweep_table import SweepFits, add_distortions, sweep_table
from streamkm.numbers import real_number, whole_number
from streamkm.outputs import plain
from streamkm.passes import (
    Census,
    Lloyd,
    Pass,
    Product,
    SampleUniform,
    threshold_of,
)
from streamkm.rows import Rows, open_rows
from streamkm.runs.options import draw_seed
from streamkm.sizes import parse_bytes
from streamkm.updates import StopRules
from streamkm.versions import versions

_SILHOUETTE_STREAM = 2**62  # of the sample's draw, apart from those of any seeding


def sweep(
    X: Any,
    n_clusters: Sequence[int] = range(1, 21),
    *,
    n_init: int = 1,
    init: str = "auto",
    validation: Any = None,
    sample_weight: Any = None,
    mask: Any = None,
    nodata: Any = "auto",
    max_iter: int = 300,
    tol: float = 1e-4,
    loss_tol: float | str | None = "auto",
    random_state: Any = 0,
    feature_dim: Any = None,
    memory_limit: str | int | None = None,
    silhouette_rows: int = 2000,
    watch: Callable[[FitState], None] | None = None,
) -> xr.Dataset:
    """Fit every k, `n_init` times each, in the reads of the slowest fit alone.

    Parameters
    ----------
    X : as for `KMeans.fit`
    n_clusters : the values of k, rising
    n_init : restarts of every k
    init : name of a seeding method
        'auto' is 'coreset' for the first restart of every k, so that the least distortion of each
        is a good one, and 'random' for any others, which show how much restarts differ.
    validation : data of the same features, read once for the loss of every fit on them; where
        they cannot be used a warning says so, and the sweep is kept without
    sample_weight : one weight a row of X
    mask, nodata : as for `KMeans`; nodata goes for the validation data too
    max_iter, tol, loss_tol, feature_dim, memory_limit : as for `KMeans`
    random_state : int, RandomState instance or None
    silhouette_rows : rows drawn for the silhouette; 0 leaves it out
    watch : called with the `FitState` after every wave of a read

    Returns
    -------
    xarray.Dataset
        Over (n_clusters, restart): `train_distortion` and, with validation data,
        `validation_distortion` (mean squared distance, squared data units), `iterations`.
        Over n_clusters: the `_mean`, `_min` and `_spread` (standard deviation) of the distortions,
        and of the best restart `calinski_harabasz` (weights count as repeated rows),
        `davies_bouldin` (about the centroids), `silhouette` (of the sample),
        `centroids` (padded with NaN) and `history` (the distortion of every iteration).
        Attributes: `elbow`, `elbow_strength`, `verdict`, `n_passes`, `bytes_read`.

    Raises
    ------
    DataError
        A ValueError that names what is wrong with the data, or the values of k.

    Examples
    --------
    >>> import numpy as np, streamkm
    >>> rng = np.random.default_rng(0)
    >>> x = np.repeat(rng.normal(size=(3, 2)) * 50, 100, axis=0) + rng.normal(size=(300, 2))
    >>> found = streamkm.sweep(x, range(1, 7))
    >>> found.attrs["elbow"], found.attrs["n_passes"]
    (3, 1)
    """
    ks = _numbers_of_clusters(n_clusters)
    n_init = whole_number("n_init", n_init, 1)
    max_iter = whole_number("max_iter", max_iter, 1)
    tol = real_number("tol", tol)
    if loss_tol is not None and not isinstance(loss_tol, str):
        loss_tol = real_number("loss_tol", loss_tol)
    elif loss_tol not in (None, "auto"):
        raise ParameterError(f"loss_tol={loss_tol!r}: give a number, None or 'auto'.")
    silhouette_rows = whole_number("silhouette_rows", silhouette_rows)
    inits = sweep_inits(init, n_init)
    limit = None if memory_limit is None else parse_bytes(memory_limit)
    budget = fit_budget(limit, inits, ks, keeps=False)
    given = Given.of(X, feature_dim)
    rows = open_rows(
        given.named,
        feature_dim=given.feature_dim,
        sample_weight=sample_weight,
        mask=mask,
        nodata=nodata,
        budget=budget,
    )
    others = None
    if validation is not None:
        names = rows.layout.names
        held_out = Given.of(validation, feature_dim)
        others = open_rows(
            held_out.named,
            feature_dim=held_out.feature_dim,
            nodata=nodata,
            budget=budget,
            names=names,
        )
        if others.layout.n_features != rows.layout.n_features:
            raise DataError(
                f"the validation data have {others.layout.n_features} features, but the data have "
                f"{rows.layout.n_features}."
            )
    rules = StopRules(max_iter, tol, loss_tol)
    entropy = draw_seed(checked_random_state(random_state))
    threshold = threshold_of(2 * silhouette_rows / rows.layout.n_rows)
    riders: list[Pass[Any]] = []
    if rows.weights is not None:
        riders.append(Census())  # of how many rows, whatever the unit of their weights
    if silhouette_rows:
        riders.append(SampleUniform(silhouette_rows, threshold, entropy, _SILHOUETTE_STREAM))
    seeds = restart_seeds(entropy, n_init)
    room = budget.room(rows.layout)
    state = first_sweep_state(rows, ks, inits, seeds, rules, room, riders)
    with caching(rows) as held:
        state = iterate(held, state, watch=[watch] if watch else [])
    fits = SweepFits(tuple(ks), n_init, state.trajectories, state.scaling)
    answers = list(state.answers)
    n_rows = answers.pop(0).weighted if rows.weights is not None else None
    dataset = sweep_table(fits, answers[0] if answers else None, n_rows)
    if others is not None:
        try:
            add_distortions(dataset, "validation", _validation_distortions(fits, others))
        except DataError as error:
            message = f"the validation data cannot be used, so the sweep is without: {error}"
            warnings.warn(message, ValidationWarning, stacklevel=2)
    dataset.attrs |= {
        "kind": KIND,
        "n_passes": state.n_passes,
        "bytes_read": state.reads.bytes_read,
        "reads": state.reads.by_phase,
        "features": list(rows.layout.names or ()),
        "parameters": {
            "init": init,
            "n_init": n_init,
            "max_iter": max_iter,
            "tol": tol,
            "random_state": entropy,
            **plain({"nodata": nodata, "feature_dim": feature_dim}),
        },
        "versions": versions(),
    }
    return dataset


def sweep_inits(init: str, n_init: int) -> list[str]:
    """The seeding method of each restart of a sweep."""
    return ["coreset", *["random"] * (n_init - 1)] if init == "auto" else [init] * n_init


def _numbers_of_clusters(n_clusters: Sequence[int]) -> list[int]:
    ks = np.atleast_1d(np.asarray(n_clusters))
    rising = ks.ndim == 1 and ks.dtype.kind in "iu" and ks.size and ks[0] > 0
    if not rising or np.any(np.diff(ks) <= 0):
        raise DataError(f"n_clusters={n_clusters!r}: give rising whole numbers from 1 on.")
    return [int(k) for k in ks]


def _validation_distortions(fits: SweepFits, rows: Rows) -> Float64Array:
    """Mean squared distance of other rows under every fit, in one read of them."""
    centroids = [t.centroids for t in fits.trajectories if t.centroids is not None]
    passes = (Lloyd(c) for c in centroids)
    rows = with_scaling(rows, fits.scaling)
    census, *gathered = map_reduce(Product((Census(), *passes)), rows).parts
    census.check()
    pairs = zip(gathered, centroids, strict=True)
    return fits.table([one.inertia(c) / one.weight for one, c in pairs])
