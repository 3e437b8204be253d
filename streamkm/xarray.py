"""xarray's shell: per-row answers that keep the dims and coordinates of their data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamkm.rows.layout import feature_axes

if TYPE_CHECKING:
    import xarray as xr


def labelled_like(data: xr.DataArray, feature_dim: Any, answers: Any) -> xr.DataArray:
    """Answers of the rows of `data`, with its row dims and the coordinates that lie along them.

    Parameters
    ----------
    data : DataArray
    feature_dim : as for `streamkm.KMeans`
    answers : array in the shape of the rows, with a further axis for one answer a cluster
    """
    import xarray as xr  # half a second; loaded by whoever gave the data

    names = tuple(str(d) for d in data.dims)
    features = feature_axes(data.ndim, names, feature_dim)
    dims = [d for axis, d in enumerate(data.dims) if axis not in features]
    coords = {n: c for n, c in data.coords.items() if set(c.dims) <= set(dims)}
    if answers.ndim == len(dims):
        return xr.DataArray(answers, coords, dims, name="labels")
    return xr.DataArray(answers, coords, [*dims, "cluster"], name="distances")
