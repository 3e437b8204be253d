"""Choosing k: every k, every restart and the validation loss in one set of reads."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from sklearn.metrics import silhouette_score

from streamkm.arrays import Float64Array
from streamkm.engine import caching, map_reduce
from streamkm.errors import DataError, ParameterError, ValidationWarning
from streamkm.estimators import entropy_of
from streamkm.estimators.data import Given
from streamkm.fitting import (
    FitState,
    StopRules,
    Trajectory,
    begin_sweep,
    fit_budget,
    iterate,
    restart_seeds,
    with_scaling,
)
from streamkm.fitting.elbow import find_elbow
from streamkm.models.sweep import KIND
from streamkm.numbers import real_number, whole_number
from streamkm.outputs import plain
from streamkm.passes import (
    Census,
    Labels,
    Lloyd,
    Pass,
    Product,
    Sampled,
    SampleUniform,
    Scattered,
    threshold_of,
)
from streamkm.rows import Block, Rows, Scaling, Shifted, open_rows
from streamkm.sizes import parse_bytes
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
    entropy = entropy_of(random_state)
    threshold = threshold_of(2 * silhouette_rows / rows.layout.n_rows)
    riders: list[Pass[Any]] = []
    if rows.weights is not None:
        riders.append(Census())  # of how many rows, whatever the unit of their weights
    if silhouette_rows:
        riders.append(SampleUniform(silhouette_rows, threshold, entropy, _SILHOUETTE_STREAM))
    seeds = restart_seeds(entropy, n_init)
    room = budget.room(rows.layout)
    state = begin_sweep(rows, ks, inits, seeds, rules, room, riders)
    with caching(rows) as held:
        state = iterate(held, state, watch=[watch] if watch else [])
    found = Fits(ks, n_init, state.trajectories, state.scaling)
    answers = list(state.answers)
    n_rows = answers.pop(0).weighted if rows.weights is not None else None
    dataset = found.dataset(answers[0] if answers else None, n_rows)
    if others is not None:
        try:
            _add(dataset, "validation", found.distortions(others))
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


@dataclass(frozen=True)
class Fits:
    """The fits of a sweep, k after k.

    Parameters
    ----------
    n_clusters : list of int
    n_init : int
    trajectories : n_init for each k, done
    scaling : Scaling that they see rows through, or None
    """

    n_clusters: list[int]
    n_init: int
    trajectories: tuple[Trajectory, ...]
    scaling: Scaling | None = None

    @property
    def best(self) -> list[Trajectory]:
        """The restart of the lowest loss, for each k."""
        groups = np.array([t.inertia for t in self.trajectories]).reshape(-1, self.n_init)
        places = groups.argmin(axis=1) + self.n_init * np.arange(len(groups))
        return [self.trajectories[place] for place in places]

    def dataset(self, sample: Sampled | None, n_rows: int | None = None) -> xr.Dataset:
        """What the fits found: of so many rows, by default as many as they weigh."""
        weight = self.trajectories[0].weight
        table = xr.Dataset(coords={"n_clusters": self.n_clusters})
        inertia = np.array([t.inertia for t in self.trajectories])
        _add(table, "train", inertia.reshape(-1, self.n_init) / weight)
        iterations = np.array([len(t.history) for t in self.trajectories])
        table["iterations"] = (("n_clusters", "restart"), iterations.reshape(-1, self.n_init))
        scores: dict[str, list[float]] = {
            "calinski_harabasz": [],
            "davies_bouldin": [],
            "silhouette": [],
        }
        for t in self.best:
            assert isinstance(t.gathered, Scattered)
            assert t.centroids is not None
            scores["calinski_harabasz"].append(t.gathered.calinski_harabasz(t.centroids))
            scores["davies_bouldin"].append(t.gathered.davies_bouldin(t.centroids))
            scores["silhouette"].append(_silhouette(t.centroids, sample))
        for name, values in scores.items():
            table[name] = ("n_clusters", values)
        centroids = [self._back(t.centroids) for t in self.best]
        if isinstance(self.scaling, Shifted):
            seen = [t.centroids for t in self.best]
            table["scaled_centroids"] = (("n_clusters", "cluster", "feature"), _padded(seen))
            table["scaling_origin"] = ("feature", np.array(self.scaling.origin))
            table.attrs["spread"] = self.scaling.spread
        history = [np.array([step.inertia for step in t.history]) / weight for t in self.best]
        table["centroids"] = (("n_clusters", "cluster", "feature"), _padded(centroids))
        table["history"] = (("n_clusters", "iteration"), _padded(history))
        elbow = find_elbow(self.n_clusters, table["train_min"].values.tolist(), n_rows or weight)
        table.attrs |= {
            "elbow": elbow.n_clusters if elbow.clear else None,
            "elbow_strength": elbow.strength,
            "verdict": str(elbow),
            "weight": weight,
        }
        return table

    def distortions(self, rows: Rows) -> Float64Array:
        """Mean squared distance of other rows under every fit, in one read of them."""
        centroids = [t.centroids for t in self.trajectories if t.centroids is not None]
        passes = (Lloyd(c) for c in centroids)
        rows = with_scaling(rows, self.scaling)
        census, *gathered = map_reduce(Product((Census(), *passes)), rows).parts
        census.check()
        pairs = zip(gathered, centroids, strict=True)
        found = np.array([one.inertia(c) / one.weight for one, c in pairs])
        return found.reshape(-1, self.n_init)

    def _back(self, centroids: Float64Array | None) -> Float64Array:
        assert centroids is not None
        return centroids if self.scaling is None else self.scaling.back(centroids)


def _add(table: xr.Dataset, name: str, distortions: Float64Array) -> None:
    """Distortions (k, restart), and what they come to for each k."""
    table[f"{name}_distortion"] = (("n_clusters", "restart"), distortions)
    table[f"{name}_mean"] = ("n_clusters", distortions.mean(axis=1))
    table[f"{name}_min"] = ("n_clusters", distortions.min(axis=1))
    table[f"{name}_spread"] = ("n_clusters", distortions.std(axis=1))


def _silhouette(centroids: Float64Array, sample: Sampled | None) -> float:
    if sample is None or not len(sample.keys):
        return float("nan")
    values, weights = sample.values, sample.weights
    if np.ptp(weights) > 0:  # scikit-learn's takes none: draw by them
        rng = np.random.default_rng(0)
        values = values[rng.choice(len(values), len(values), p=weights / weights.sum())]
    labels, _ = Labels(centroids, np.dtype(np.int32))(Block.of(values))
    if not 1 < len(np.unique(labels)) < len(labels):
        return float("nan")
    return float(silhouette_score(values, labels))


def _padded(arrays: Sequence[Any]) -> Float64Array:
    """Arrays of different lengths in one, with NaN where one ends."""
    longest = max(len(a) for a in arrays)
    out = np.full((len(arrays), longest, *arrays[0].shape[1:]), np.nan)
    for place, array in enumerate(arrays):
        out[place, : len(array)] = array
    return out
