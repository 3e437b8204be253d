"""Weather states of an archive of netCDF files
============================================

Cells of a grid are clustered by their clouds, weighted by area, and next year's are labelled.

Weather states (Jakob and Tselioudis 2003) are clusters of histograms: how much of a cell is covered
by clouds of each height and thickness. The rows are the cells of all months and the features are
the bins. The archive, made here, has one packed netCDF file for each year. The files are read in
place as one array along time, values are decoded by their attributes, and a cell counts by the area
that its latitude gives it, `sample_weight="cos(lat)"`. The states of next year, whose file arrives
later, are those of the fit, so their shares can be compared.

Needs: ``pip install 'streamkm[netcdf,plot]'``

Usage: ``python examples/weather_states.py OUTPUT.png``
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import streamkm

K, YEARS = 5, (2022, 2023)
HEIGHTS, THICKNESSES = ("low", "middle", "high"), ("thin", "medium", "thick")
CLOUD = ("height", "thickness")


def write_year(year: int, path: Path) -> None:
    """Write made cloud histograms of twelve months as a packed netCDF file."""
    rng = np.random.default_rng(year)
    lat, lon = np.arange(-87.5, 90, 5), np.arange(3.75, 360, 7.5)
    month, y, x = np.meshgrid(np.arange(12), np.radians(lat), np.radians(lon), indexing="ij")
    season = np.cos((month - 6.5) * np.pi / 6)
    width = 9 if year < 2024 else 13  # of the tropical rain, wider in the last year
    belt = np.exp(-(((np.degrees(y) - 12 * season) / width) ** 2)) * (1 + 0.5 * np.sin(3 * x))
    storms = np.exp(-(((np.degrees(np.abs(y)) - 52) / 13) ** 2)) * (1 + 0.3 * np.cos(4 * x + month))
    storms *= 1 - 0.4 * season * np.sign(y)  # stronger in winter
    decks = np.exp(-(((np.degrees(np.abs(y)) - 24) / 9) ** 2)) * (np.sin(2 * x + y) > 0.4)
    ice = (np.degrees(np.abs(y)) > 72) * 1.0
    bins = np.zeros((*y.shape, 3, 3))
    bins[..., 0, 1] += 0.55 * decks + 0.1 * storms
    bins[..., 0, 0] += 0.12 + 0.2 * ice
    bins[..., 1, 1] += 0.35 * storms + 0.3 * ice
    bins[..., 1, 2] += 0.25 * storms
    bins[..., 2, 2] += 0.45 * belt
    bins[..., 2, 0] += 0.25 * belt
    bins = (bins + rng.normal(0, 0.03, bins.shape)).clip(0, 1).astype(np.float32)
    time = np.arange(f"{year}-01", f"{year + 1}-01", dtype="M8[M]").astype("M8[ns]")
    coords = {
        "time": time,
        "lat": ("lat", lat, {"units": "degrees_north"}),
        "lon": ("lon", lon, {"units": "degrees_east"}),
        "height": list(range(3)),
        "thickness": list(range(3)),
    }
    data = xr.DataArray(bins, coords, ("time", "lat", "lon", *CLOUD), name="cover")
    packed = {"dtype": "i2", "scale_factor": 1e-4, "_FillValue": -1, "zlib": True}
    data.to_netcdf(path, encoding={"cover": packed}, engine="h5netcdf")


def shares_of(labels: xr.DataArray) -> xr.DataArray:
    """Return the share of the area that each state has in each month."""
    area = np.cos(np.radians(labels["lat"]))
    each = [(labels == state).weighted(area).mean(("lat", "lon")) for state in range(K)]
    return xr.concat(each, "state")


def main(output: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder)
        for year in YEARS:
            write_year(year, archive / f"clouds_{year}.nc")
        files = streamkm.open_array(archive / "clouds_*.nc", "cover")
        model = streamkm.KMeans(K, feature_dim=CLOUD, random_state=0)
        model.fit(files, sample_weight="cos(lat)")
        write_year(2024, archive / "clouds_2024.nc")
        files = streamkm.open_array(archive / "clouds_*.nc", "cover")
        states = model.write_labels(files, archive / "states.nc").load()  # with coordinates
    shares = shares_of(states)
    figure = plt.figure(figsize=(14, 7), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[1, 2])
    for state, ax in enumerate(above.subplots(1, K)):
        ax.imshow(model.cluster_centers_[state].reshape(3, 3)[::-1], vmin=0, vmax=0.6, cmap="Blues")
        ax.set_title(f"state {state}: {model.counts_[state] / model.counts_.sum():.1%} of the area")
        ax.set_xticks(range(3), THICKNESSES)
        ax.set_yticks(range(3), HEIGHTS[::-1])
    left, right = below.subplots(1, 2)
    streamkm.plot.labels(states.sel(time="2024-07-01"), left)
    for state in range(K):
        right.plot(shares["time"], 100 * shares[state], label=f"state {state}")
    right.axvspan(np.datetime64("2024-01-01"), shares["time"].values[-1], color="0.93")
    right.set(ylabel="share of the area, %", title="months of the fit, and of next year (grey)")
    right.legend(loc="center left", fontsize=8)
    figure.savefig(output, dpi=80)
    print(f"{files.shape[0]} months, {model.n_passes_} read of those of the fit")
    for year in (2022, 2024):
        found = shares.sel(time=str(year)).mean("time").values
        print(f"shares of the area in {year}:", " ".join(f"{share:.1%}" for share in found))
    print(f"stopped by {model.stop_reason_}")


if __name__ == "__main__":
    main(sys.argv[1])
