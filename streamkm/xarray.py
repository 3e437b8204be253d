"""``import streamkm.xarray`` gives every DataArray and Dataset a ``.streamkm``."""

from __future__ import annotations

from typing import Any

import xarray as xr

from streamkm.estimators import KMeans

__all__ = ["Clustering"]


def __dir__() -> list[str]:
    return __all__


@xr.register_dataset_accessor("streamkm")
@xr.register_dataarray_accessor("streamkm")
class Clustering:
    """Clustering of an array along some of its dimensions, or of a Dataset by its variables.

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
        """`streamkm.KMeans`, fitted to this.

        Parameters
        ----------
        n_clusters, feature_dim, and any other parameter of `streamkm.KMeans`
            A Dataset's features are its variables, with no `feature_dim`.
        sample_weight, mask : as for `KMeans.fit`
        """
        model = KMeans(n_clusters, feature_dim=feature_dim, **parameters)
        return model.fit(self._data, sample_weight=sample_weight, mask=mask)
