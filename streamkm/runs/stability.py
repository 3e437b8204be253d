"""Stability of clusters: how far the labels of fits with different seeds agree."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import xarray as xr
from sklearn.metrics import adjusted_rand_score

from streamkm.arrays import AnyArray, Float64Array
from streamkm.models.sweep import as_text
from streamkm.models.sweep_table import labels_of, resampled
from streamkm.runs.running import ProgressCallbacks
from streamkm.runs.sweep import PreparedSweep, run_fits

# Words for a mean index from these values on (Steinley 2004).
WORDS = ((0.9, "excellent"), (0.8, "good"), (0.65, "moderate"), (-np.inf, "poor"))


def stability(prepared: PreparedSweep, progress: ProgressCallbacks | None = None) -> xr.Dataset:
    """Run the fits of every k, and compare the labels of a sample of the rows.

    Parameters
    ----------
    prepared : PreparedSweep
        Its `silhouette_rows` are the rows of the sample.
    progress : ProgressCallbacks or None

    Returns
    -------
    xarray.Dataset
        See `streamkm.stability`.
    """
    fitted = run_fits(prepared, None, progress)
    fits, state = fitted.fits, fitted.run.state
    assert fitted.sample is not None
    values = resampled(fitted.sample)
    k_and_restart = ("n_clusters", "restart")
    distortions = fits.table([t.inertia for t in fits.trajectories]) / fits.trajectories[0].weight
    labels = [labels_of(values, t.centroids) for t in fits.trajectories if t.centroids is not None]
    n_init = fits.n_init
    indices = [_indices(labels[n : n + n_init]) for n in range(0, len(labels), n_init)]
    apart = np.triu_indices(n_init, 1)
    pairs = np.array([index[apart] for index in indices])
    found = xr.Dataset(
        {
            "adjusted_rand": ((*k_and_restart, "other"), np.array(indices)),
            "mean": ("n_clusters", pairs.mean(axis=1)),
            "least": ("n_clusters", pairs.min(axis=1)),
            "distortion": (k_and_restart, distortions),
            "labels": ((*k_and_restart, "row"), np.array(labels).reshape(-1, n_init, len(values))),
        },
        coords={"n_clusters": list(fits.n_clusters)},
    )
    found.attrs = {
        "verdict": "; ".join(map(_verdict, fits.n_clusters, pairs)),
        "n_rows": len(values),
        "n_passes": state.n_passes,
        "bytes_read": state.reads.bytes_read,
        "reads": as_text(state.reads.by_phase),
    }
    return found


def _indices(labels: Sequence[AnyArray]) -> Float64Array:
    """The adjusted Rand index of every pair of labellings of the same rows, of shape (n, n)."""
    found = np.eye(len(labels))
    for a, b in combinations(range(len(labels)), 2):
        found[a, b] = found[b, a] = adjusted_rand_score(labels[a], labels[b])
    return found


def _verdict(n_clusters: int, pairs: Float64Array) -> str:
    if n_clusters == 1:
        return "k=1: all fits have the same labels"
    mean, least = pairs.mean(), pairs.min()
    word = next(word for limit, word in WORDS if mean >= limit)
    return (
        f"k={n_clusters}: {word} agreement (mean adjusted Rand index {mean:.2f}, least {least:.2f})"
    )
