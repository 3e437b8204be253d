"""The results of a sweep as an xarray Dataset: losses, scores, the best centroids, the elbow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from sklearn.metrics import silhouette_score

from streamkm.arrays import AnyArray, Float64Array
from streamkm.fitting import Trajectory
from streamkm.fitting.elbow import find_elbow
from streamkm.models.scalings import scaling_arrays, scaling_attributes
from streamkm.passes import Labels, Sampled, Scattered
from streamkm.rows import Block, Scaling


@dataclass(frozen=True)
class SweepFits:
    """The finished fits of a sweep.

    Parameters
    ----------
    n_clusters : tuple of int
        Values of k, ascending.
    n_init : int
        Restarts of every k.
    trajectories : tuple of Trajectory
        All restarts of the first k, then those of the second, and so on.
    scaling : Scaling or None
        Scaling of the rows; the centroids of the trajectories are in scaled units.
    """

    n_clusters: tuple[int, ...]
    n_init: int
    trajectories: tuple[Trajectory, ...]
    scaling: Scaling | None = None

    @property
    def best(self) -> list[Trajectory]:
        """The restart of the lowest loss, for each k."""
        losses = self.table([t.inertia for t in self.trajectories])
        places = losses.argmin(axis=1) + self.n_init * np.arange(len(losses))
        return [self.trajectories[place] for place in places]

    def table(self, values: Sequence[Any]) -> AnyArray:
        """One value per trajectory as an array of shape (k, restart)."""
        return np.array(values).reshape(-1, self.n_init)


def sweep_table(fits: SweepFits, sample: Sampled | None, n_rows: float | None) -> xr.Dataset:
    """The Dataset of a sweep, without the validation loss.

    Parameters
    ----------
    fits : SweepFits
    sample : Sampled or None
        Rows for the silhouette; without any it is NaN.
    n_rows : float or None
        Number of rows; None stands for the sum of their weights.

    Returns
    -------
    xarray.Dataset
        See `streamkm.sweep`.
    """
    best, weight = fits.best, fits.trajectories[0].weight
    table = xr.Dataset(coords={"n_clusters": list(fits.n_clusters)})
    losses = fits.table([t.inertia for t in fits.trajectories])
    add_distortions(table, "train", losses / weight)
    iterations = fits.table([len(t.history) for t in fits.trajectories])
    table["iterations"] = (("n_clusters", "restart"), iterations)
    scores = [_scores(t, sample) for t in best]
    for name in scores[0]:
        table[name] = ("n_clusters", [of_one_k[name] for of_one_k in scores])
    _add_centroids(table, [_centroids(t) for t in best], fits.scaling)
    history = [np.array([step.inertia for step in t.history]) / weight for t in best]
    table["history"] = (("n_clusters", "iteration"), _padded(history))
    elbow = find_elbow(fits.n_clusters, table["train_min"].values.tolist(), n_rows or weight)
    table.attrs |= {
        "elbow": elbow.n_clusters if elbow.clear else 0,
        "elbow_strength": elbow.strength,
        "verdict": str(elbow),
        "weight": weight,
    }
    return table


def add_distortions(table: xr.Dataset, name: str, distortions: Float64Array) -> None:
    """Add distortions of shape (k, restart), and their mean, minimum and spread for each k."""
    table[f"{name}_distortion"] = (("n_clusters", "restart"), distortions)
    table[f"{name}_mean"] = ("n_clusters", distortions.mean(axis=1))
    table[f"{name}_min"] = ("n_clusters", distortions.min(axis=1))
    table[f"{name}_spread"] = ("n_clusters", distortions.std(axis=1))


def _scores(trajectory: Trajectory, sample: Sampled | None) -> dict[str, float]:
    centroids, gathered = _centroids(trajectory), trajectory.statistic
    assert isinstance(gathered, Scattered)
    return {
        "calinski_harabasz": gathered.calinski_harabasz(centroids),
        "davies_bouldin": gathered.davies_bouldin(centroids),
        "silhouette": _silhouette(centroids, sample),
    }


def _silhouette(centroids: Float64Array, sample: Sampled | None) -> float:
    if sample is None or not len(sample.keys):
        return float("nan")
    values = resampled(sample)
    labels = labels_of(values, centroids)
    if not 1 < len(np.unique(labels)) < len(labels):
        return float("nan")
    return float(silhouette_score(values, labels))


def resampled(sample: Sampled) -> AnyArray:
    """Rows (m, d) of a sample, drawn by weight where weights differ, for scores without weights."""
    values, weights = sample.values, sample.weights
    if len(weights) == 0 or np.ptp(weights) == 0:
        return values
    rng = np.random.default_rng(0)
    drawn: AnyArray = values[rng.choice(len(values), len(values), p=weights / weights.sum())]
    return drawn


def labels_of(values: AnyArray, centroids: Float64Array) -> AnyArray:
    """The label of every row (m,) of an array in memory (m, d)."""
    labels, _ = Labels(centroids, np.dtype(np.int32))(Block.from_values(values))
    return labels


def _add_centroids(
    table: xr.Dataset, centroids: Sequence[Float64Array], scaling: Scaling | None
) -> None:
    """Add the centroids of each k in the units of the data, and those of scaled rows if any."""
    dims = ("n_clusters", "cluster", "feature")
    if scaling is not None:
        table["scaled_centroids"] = (dims, _padded(centroids))
        for name, values in scaling_arrays(scaling).items():
            table[name] = ("feature", values)
        found = scaling_attributes(scaling).items()
        table.attrs |= {name: value for name, value in found if value is not None}
    restored = centroids if scaling is None else [scaling.back(each) for each in centroids]
    table["centroids"] = (dims, _padded(restored))


def _centroids(trajectory: Trajectory) -> Float64Array:
    assert trajectory.centroids is not None
    return trajectory.centroids


def _padded(arrays: Sequence[Float64Array]) -> Float64Array:
    """Arrays of different lengths as one, padded with NaN."""
    longest = max(len(array) for array in arrays)
    out = np.full((len(arrays), longest, *arrays[0].shape[1:]), np.nan)
    for place, array in enumerate(arrays):
        out[place, : len(array)] = array
    return out
