"""The accessor ``.streamkm`` of DataArrays and Datasets; importing this module registers it."""

from __future__ import annotations

from typing import Any

import xarray as xr

from streamkm.estimators import KMeans
from streamkm.selection import sweep

__all__ = ["Clustering"]


def __dir__() -> list[str]:
    return __all__


@xr.register_dataset_accessor("streamkm")
@xr.register_dataarray_accessor("streamkm")
class Clustering:
    """Clustering of an array along some of its dimensions, or of a Dataset by its variables.

    Parameters
    ----------
    data : xarray.DataArray or xarray.Dataset
        Object whose attribute ``.streamkm`` this is.

    Examples
    --------
    >>> import numpy as np, xarray as xr, streamkm.xarray
    >>> scene = xr.DataArray(np.arange(24.0).reshape(2, 3, 4), dims=("band", "y", "x"))
    >>> scene[:, 0, 0] = np.nan
    >>> labels = scene.streamkm.fit(n_clusters=2, feature_dim="band", random_state=0).labels_
    >>> labels.dims, int(labels[0, 0]), sorted(set(labels.values.ravel().tolist()))
    (('y', 'x'), 255, [0, 1, 255])
    """

    def __init__(self, data: Any) -> None:
        self._data = data

    def fit(
        self,
        n_clusters: int = 8,
        feature_dim: Any = None,
        *,
        sample_weight: Any = None,
        mask: Any = None,
        **parameters: Any,
    ) -> KMeans:
        """Fit `streamkm.KMeans` to the object.

        Parameters
        ----------
        n_clusters : int
            Number of clusters.
        feature_dim : hashable, int, or sequence of these, or None
            Dimension or dimensions of the features; None for a Dataset, whose features are its
            variables.
        sample_weight : array-like of the shape of the rows, str, or None
            Weight of each row, as in `KMeans.fit`: an array, the name of a coordinate or variable,
            or ``"cos(lat)"`` for the areas of the cells of a grid.
        mask : array-like of the shape of the rows, bool, str, or None
            True for rows to use, as in `KMeans.fit`, or the name of a coordinate or variable.
        **parameters : object
            Other parameters of `streamkm.KMeans`.

        Returns
        -------
        KMeans
            The fitted estimator.

        Examples
        --------
        >>> import numpy as np, xarray as xr, streamkm.xarray
        >>> grid = xr.DataArray(
        ...     [[[1.0, 2.0], [2.0, 1.0]], [[8.0, 9.0], [9.0, 8.0]]],
        ...     dims=("lat", "lon", "month"),
        ...     coords={"lat": ("lat", [0.0, 60.0], {"units": "degrees_north"})},
        ... )
        >>> model = grid.streamkm.fit(2, "month", sample_weight="cos(lat)", random_state=0)
        >>> sorted(model.counts_.round(6).tolist())  # areas
        [1.0, 2.0]
        """
        model = KMeans(n_clusters, feature_dim=feature_dim, **parameters)
        return model.fit(self._data, sample_weight=sample_weight, mask=mask)

    def sweep(self, n_clusters: Any, feature_dim: Any = None, **arguments: Any) -> xr.Dataset:
        """Fit every k of a range to the object in shared reads.

        Parameters
        ----------
        n_clusters : int or sequence of int
            Increasing numbers of clusters.
        feature_dim : hashable, int, or sequence of these, or None
            As in `fit`.
        **arguments : object
            Other arguments of `streamkm.sweep`, such as `sample_weight` and `mask`.

        Returns
        -------
        xarray.Dataset
            See `streamkm.sweep`.

        Examples
        --------
        >>> import numpy as np, xarray as xr, streamkm.xarray
        >>> series = xr.DataArray(np.arange(40.0).reshape(2, 20) % 5, dims=("band", "time"))
        >>> series.streamkm.sweep(range(1, 4), "band")["n_clusters"].values.tolist()
        [1, 2, 3]
        """
        return sweep(self._data, n_clusters, feature_dim=feature_dim, **arguments)
