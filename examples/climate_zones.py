"""Climate zones of a climate archive
==================================

The cells of a grid are clustered by the seasons of their temperature and their rain.

The archive is a Zarr store of two variables (month, lat, lon), made here and opened lazily. The
features of a cell are its twelve months of both variables, scaled, so that each counts alike. A
cell at a pole is smaller than one at the equator, so cells are weighted by their area. The sea is
nodata, and stays nodata on the map. An archive of any size is read in the same way.

Needs: ``pip install 'streamkm[plot]'``

Usage: ``python examples/climate_zones.py OUTPUT.png``
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import streamkm
import streamkm.xarray

K = 6


def made_archive() -> xr.Dataset:
    """Return monthly temperature and rain of made continents, at one degree."""
    rng = np.random.default_rng(0)
    lat, lon = np.arange(89.5, -90, -1), np.arange(-179.5, 180)
    month, y, x = np.meshgrid(np.arange(12), np.radians(lat), np.radians(lon), indexing="ij")
    height = np.sin(2 * x + np.sin(3 * y)) + np.cos(3 * y - x) + 0.5 * np.sin(5 * x) * np.cos(4 * y)
    season = np.cos((month - 6.5) * np.pi / 6) * np.sign(y)  # the north is warm in July
    temperature = 30 * np.cos(y) ** 2 - 8 + 18 * np.sin(np.abs(y)) * season - 4 * height
    belt = np.exp(-(((np.degrees(y) - 12 * np.cos((month - 6.5) * np.pi / 6)) / 12) ** 2))
    rain = 180 * belt + 50 * np.cos(2 * y - 1) ** 2 * (1 - 0.4 * height)
    land = height > 0.1
    grids = {"temperature": temperature, "rain": rain.clip(0)}
    noisy = {name: grid + rng.normal(size=grid.shape) for name, grid in grids.items()}
    dims, coords = ("month", "lat", "lon"), {"month": np.arange(1, 13), "lat": lat, "lon": lon}
    return xr.Dataset(
        {name: (dims, np.where(land, grid, np.nan)) for name, grid in noisy.items()}, coords
    )


def main(output: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "climate.zarr")
        made_archive().to_zarr(path, zarr_format=3, consolidated=False)
        archive = xr.open_zarr(path, consolidated=False, chunks={})
        variables = archive[["temperature", "rain"]]  # xarray opens them in any order
        cube = variables.to_dataarray("variable")  # (variable, month, lat, lon), lazy
        km = cube.streamkm.fit(
            K, ["variable", "month"], sample_weight="cos(lat)", scale="standard", random_state=0
        )
        labels = km.labels_.compute()
    figure = plt.figure(figsize=(13, 7), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=[2, 1])
    streamkm.plot.labels(labels, above)
    panels = below.get_subplotspec().subgridspec(1, 2)
    below.remove()
    colours = [patch.get_facecolor() for patch in above.get_legend().legend_handles]
    seasons = km.cluster_centers_.reshape(K, 2, 12)
    for number, (name, unit) in enumerate({"temperature": "°C", "rain": "mm"}.items()):
        ax = figure.add_subplot(panels[number])
        for cluster in range(K):
            ax.plot(
                range(1, 13), seasons[cluster, number], color=colours[cluster], marker="o", ms=3
            )
        ax.set(xlabel="month", ylabel=f"{name}, {unit}")
    shares = km.counts_ / km.counts_.sum()
    print("shares of the land by area:", " ".join(f"{share:.1%}" for share in shares))
    print(f"{km.n_passes_} reads; stopped by {km.stop_reason_}")
    figure.savefig(output, dpi=80)


if __name__ == "__main__":
    main(sys.argv[1])
