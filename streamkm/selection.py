"""`streamkm.sweep` and `streamkm.stability`: choose k, and compare labels of different seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import xarray as xr

from streamkm.estimators.data import InputData, weights_of, without_beside
from streamkm.estimators.parameters import checked_random_state
from streamkm.fitting import FitState
from streamkm.models.sweep import add_parameters
from streamkm.numbers import real_number, whole_number
from streamkm.runs import sweep as runs
from streamkm.runs.options import CheckpointOptions, DataOptions, memory_bytes
from streamkm.runs.stability import stability as compare
from streamkm.runs.sweep_options import SweepOptions
from streamkm.showing.verbose import also, verbose_progress


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
    scale: str | None = None,
    memory_limit: str | int | None = None,
    silhouette_rows: int = 2000,
    checkpoint: Any = None,
    checkpoint_every: float = 60.0,
    watch: Callable[[FitState], None] | None = None,
    verbose: int = 0,
) -> xr.Dataset:
    """Fit every k, `n_init` times each, in as many reads as the slowest fit takes.

    Parameters
    ----------
    X : as in `KMeans.fit`
        Rows to cluster.
    n_clusters : sequence of int
        The values of k, in ascending order.
    n_init : int
        Restarts of every k.
    init : str
        Name of a seeding method. 'auto' is 'coreset' for the first restart of every k, so that the
        minimum of the distortions is low, and 'random' for the other restarts, whose spread
        shows how much restarts differ.
    validation : as `X`, or None
        Data with the same features. They are read once, for the loss of every fit on them. If they
        cannot be used, a warning is issued, and the sweep is returned without these losses.
    sample_weight : array-like of the row shape, or None
        Weight of each row of X, or a text such as ``"cos(lat)"``, as in `KMeans.fit`.
    mask : array-like of the row shape, bool, or None
        False for rows of X that are left out.
    nodata : 'auto', None, float or sequence of floats
        Values of rows that are left out, as in `KMeans`; also in the validation data.
    max_iter : int
        Maximum number of iterations of a fit.
    tol : float
        Tolerance of the centroids, as in `KMeans`.
    loss_tol : float, None or 'auto'
        Tolerance of the loss, as in `KMeans`.
    random_state : int, RandomState instance or None
        Seed of the draws.
    feature_dim : str, int or sequence of them, or None
        Feature dimension(s) of N-d data, as in `KMeans`.
    scale : {None, 'standard', 'robust'}
        How features are scaled, as in `KMeans`. All fits share the scale, which takes one more
        read. The validation data are scaled by the same parameters.
    memory_limit : str, int or None
        Peak memory of the process, as in `KMeans`.
    silhouette_rows : int
        Number of rows that are sampled for the silhouette; with 0 it is not computed.
    checkpoint : path, URL or Zarr store, or None
        Where the state of the sweep is saved. If a state of the same sweep of the same data is
        there, the sweep resumes from it, with the result of an uninterrupted one. `max_iter`,
        `tol`, `loss_tol`, `memory_limit` and the validation data may differ.
    checkpoint_every : float
        Minimum number of seconds between two saved states.
    watch : callable or None
        Called with the `FitState` after every wave of a read.
    verbose : int
        If not 0, show the progress on the standard error stream: a line for each read, and the
        running read as a bar, or as a line every five seconds where that is not a terminal.

    Returns
    -------
    xarray.Dataset
        Over (n_clusters, restart): `train_distortion` and, with validation data,
        `validation_distortion` (mean squared distance, squared data units; with `scale`, of scaled
        rows), and `iterations`.
        Over n_clusters: the `_mean`, `_min` and `_spread` (standard deviation) of the distortions.
        For the best restart of each k: `calinski_harabasz` (weights count as repeated rows),
        `davies_bouldin` (about the centroids), `silhouette` (of the sample), `centroids` (padded
        with NaN, in units of the data) and `history` (the distortion of every iteration).
        Attributes: `elbow` (0 if none is clear), `elbow_strength`, `verdict`, `n_passes`,
        `bytes_read`, and `reads`, `parameters` and `versions` as JSON, so that `to_netcdf` can
        store them.

    Raises
    ------
    DataError
        If the data cannot be clustered, or the values of k are invalid.
    MemoryLimitError
        If the work does not fit `memory_limit`.
    CheckpointError
        If the checkpoint holds another run.
    DataChangedError
        If the checkpoint belongs to other data, or the data change during the sweep.

    Examples
    --------
    >>> import numpy as np, streamkm
    >>> rng = np.random.default_rng(0)
    >>> x = np.repeat(rng.normal(size=(3, 2)) * 50, 100, axis=0) + rng.normal(size=(300, 2))
    >>> result = streamkm.sweep(x, range(1, 7))
    >>> result.attrs["elbow"], result.attrs["n_passes"]
    (3, 1)
    """
    options = SweepOptions.from_parameters(
        {
            "n_clusters": n_clusters,
            "n_init": n_init,
            "init": init,
            "max_iter": max_iter,
            "tol": tol,
            "loss_tol": loss_tol,
            "random_state": checked_random_state(random_state),
            "scale": scale,
            "silhouette_rows": silhouette_rows,
        }
    )
    seconds = real_number("checkpoint_every", checkpoint_every)
    data = _data_options(X, feature_dim, (sample_weight, mask), nodata, memory_limit)
    held_out = None
    if validation is not None:
        held_out = replace(InputData.from_data(validation, feature_dim).options, nodata=nodata)
    prepared = runs.prepare_sweep(data, options, held_out)
    saved = None if checkpoint is None else CheckpointOptions(checkpoint, seconds)
    with verbose_progress(verbose, prepared.rows) as progress:
        result = runs.sweep(prepared, saved, also(progress, watch))
    add_parameters(result, {"nodata": nodata, "feature_dim": feature_dim})
    return result


def stability(
    X: Any,
    n_clusters: int | Sequence[int],
    *,
    n_init: int = 10,
    rows: int = 10_000,
    init: str = "auto",
    sample_weight: Any = None,
    mask: Any = None,
    nodata: Any = "auto",
    max_iter: int = 300,
    tol: float = 1e-4,
    loss_tol: float | str | None = "auto",
    random_state: Any = 0,
    feature_dim: Any = None,
    scale: str | None = None,
    memory_limit: str | int | None = None,
    verbose: int = 0,
) -> xr.Dataset:
    """Compare the labels of fits with different seeds, by the adjusted Rand index of a sample.

    The fits share each read, so this takes as many reads as the slowest of them. The sample is
    drawn in the first read, and it is labelled in memory.

    Parameters
    ----------
    X : as in `KMeans.fit`
        Rows to cluster.
    n_clusters : int or sequence of int
        The number of clusters, or several in ascending order.
    n_init : int
        Fits of every k, with different seeds; at least 2.
    rows : int
        Number of rows in the sample; at least 2.
    init : str
        Seeding method of every fit. 'auto' is 'coreset', as in `KMeans`; 'random' compares local
        minima that a poor start leads to.
    sample_weight : array-like of the row shape, or None
        Weight of each row of X, or a text such as ``"cos(lat)"``, as in `KMeans.fit`.
    mask : array-like of the row shape, bool, or None
        False for rows of X that are left out.
    nodata : 'auto', None, float or sequence of floats
        Values of rows that are left out, as in `KMeans`.
    max_iter : int
        Maximum number of iterations of a fit.
    tol : float
        Tolerance of the centroids, as in `KMeans`.
    loss_tol : float, None or 'auto'
        Tolerance of the loss, as in `KMeans`.
    random_state : int, RandomState instance or None
        Seed of the draws.
    feature_dim : str, int or sequence of them, or None
        Feature dimension(s) of N-d data, as in `KMeans`.
    scale : {None, 'standard', 'robust'}
        How features are scaled, as in `KMeans`; this takes one more read.
    memory_limit : str, int or None
        Peak memory of the process, as in `KMeans`.
    verbose : int
        If not 0, show the progress, as `sweep` does.

    Returns
    -------
    xarray.Dataset
        `adjusted_rand` of dimensions (n_clusters, restart, other): the adjusted Rand index of two
        fits [1]_, 1 for equal clusters and about 0 for independent ones. Over n_clusters: its
        `mean` and `least` of all pairs of fits. `distortion` over (n_clusters, restart), as in
        `sweep`. `labels` over (n_clusters, restart, row): the cluster of each row of the sample in
        each fit. Attributes: `verdict` (one line; the words are those of [2]_), `n_rows` in the
        sample, `n_passes`, `bytes_read`, and `reads` as JSON.

    Raises
    ------
    ValueError
        If `n_init` or `rows` is less than 2.
    DataError
        If the data cannot be clustered, or the values of k are invalid.
    MemoryLimitError
        If the work does not fit `memory_limit`.

    Notes
    -----
    Labels that change with the seed should not be interpreted. Labels that do not change are not
    proven to be meaningful: a good seeding method finds the same minimum in data without clusters,
    too, and a small k is often more stable than the right one [3]_.

    References
    ----------
    .. [1] L. Hubert and P. Arabie, "Comparing partitions", Journal of Classification 2, 1985.
    .. [2] D. Steinley, "Properties of the Hubert-Arabie adjusted Rand index", Psychological Methods
       9 (3), 2004.
    .. [3] U. von Luxburg, "Clustering stability: an overview", Foundations and Trends in Machine
       Learning 2 (3), 2010.

    Examples
    --------
    >>> import numpy as np, streamkm
    >>> rng = np.random.default_rng(0)
    >>> x = np.repeat(rng.normal(size=(3, 2)) * 50, 100, axis=0) + rng.normal(size=(300, 2))
    >>> streamkm.stability(x, 3).attrs["verdict"]
    'k=3: excellent agreement (mean adjusted Rand index 1.00, least 1.00)'
    """
    options = SweepOptions.from_parameters(
        {
            "n_clusters": n_clusters,
            "n_init": whole_number("n_init", n_init, 2),
            "init": "coreset" if init == "auto" else init,
            "max_iter": max_iter,
            "tol": tol,
            "loss_tol": loss_tol,
            "random_state": checked_random_state(random_state),
            "scale": scale,
            "silhouette_rows": whole_number("rows", rows, 2),
        }
    )
    data = _data_options(X, feature_dim, (sample_weight, mask), nodata, memory_limit)
    prepared = runs.prepare_sweep(data, options)
    with verbose_progress(verbose, prepared.rows) as progress:
        return compare(prepared, progress)


def _data_options(
    X: Any, feature_dim: Any, beside: tuple[Any, Any], nodata: Any, memory_limit: Any
) -> DataOptions:
    """The options with which a run opens the data of a call; `beside` are weights and mask."""
    weights, mask = map(weights_of, beside)
    return replace(
        InputData.from_data(without_beside(X, *beside), feature_dim).options,
        sample_weight=weights,
        mask=mask,
        nodata=nodata,
        memory_limit=memory_bytes(memory_limit),
    )
