"""Land cover of a map of embeddings
=================================

Pixels of satellite embeddings are clustered, and a few labelled pixels name the clusters.

Maps of embeddings, such as AlphaEarth's, have 64 bytes for each pixel: a direction of unit length,
whose components v are stored as ``127.5 sign(v) sqrt(|v|)``, rounded, and -128 if there is none.
Here the map is made, and stored as a GeoZarr: an array (band, y, x) with coordinates and a CRS.
Its bytes are decoded when blocks are read, so no copy is written. Missing pixels become NaN and
stay missing on the map. More clusters of directions than classes are made, because a class may have
several kinds of pixels, and 120 labelled pixels give each cluster the name of a class.

Needs: ``pip install 'streamkm[geo,plot]'``

Usage: ``python examples/embeddings_land_cover.py OUTPUT.png``
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import rioxarray  # noqa: F401  (adds .rio)
import xarray as xr
from matplotlib.patches import Patch

import streamkm

K, LABELLED = 12, 120
COVERS = {
    "water": (58, 110, 190),
    "forest": (30, 100, 50),
    "crops": (230, 195, 75),
    "grass": (150, 200, 100),
    "town": (190, 60, 50),
    "bare": (190, 175, 160),
}


def made_cover(height: int, width: int) -> np.ndarray:
    """A river, forests, a town, and parcels of crops, grass and bare soil."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:height, 0:width] / 20
    parcels = rng.choice([2, 2, 3, 3, 5], size=(64, 64))
    cover = parcels[(3 * y + x).astype(int) % 64, (2.5 * x - 0.8 * y + 16).astype(int) % 64]
    cover[np.sin(1.1 * x + np.cos(1.7 * y)) + np.cos(y - 0.4 * x) > 1.1] = 1
    cover[np.hypot(x - 5.2, 1.2 * (y - 2.6)) + 0.2 * np.sin(7 * x) * np.sin(6 * y) < 0.9] = 4
    cover[np.abs(y - 3 - np.sin(0.9 * x) - 0.3 * np.sin(2.7 * x)) < 0.16] = 0
    return cover


def made_map(height: int = 120, width: int = 160) -> tuple[xr.Dataset, np.ndarray]:
    """Return a map of made embeddings, as stored, and the cover of its pixels."""
    rng, cover = np.random.default_rng(1), made_cover(height, width)
    kinds = rng.normal(size=(len(COVERS), 2, 64))
    kinds[:, 1] = kinds[:, 0] + 0.7 * kinds[:, 1]  # two kinds of pixels of each class
    y, x = np.mgrid[0:height, 0:width]
    v = kinds[cover, (np.sin(x / 10 + y / 16) > 0).astype(int)]
    v = v + np.roll(v, 1, axis=0) + np.roll(v, 1, axis=1)  # pixels at borders are mixed
    v += rng.normal(0, 2.5, v.shape)
    v /= np.linalg.norm(v, axis=-1, keepdims=True)
    stored = np.rint(127.5 * np.sign(v) * np.sqrt(np.abs(v))).clip(-127, 127).astype(np.int8)
    stored[x + y // 5 > 150] = -128  # beyond the swath
    coords = {"y": 5.2e6 - 10.0 * np.arange(height), "x": 4e5 + 10.0 * np.arange(width)}
    bands = xr.DataArray(np.moveaxis(stored, -1, 0), coords, ("band", "y", "x"))
    bands.attrs["_FillValue"] = -128
    return bands.to_dataset(name="embedding").rio.write_crs("EPSG:32633"), cover


def decoded(stored: xr.DataArray) -> xr.DataArray:
    """Return the components of the directions, which are lazy if the bytes are."""
    v = stored.astype(np.float32) / 127.5
    return (np.sign(v) * v**2).where(stored != stored.attrs["_FillValue"])


def main(output: str) -> None:
    made, cover = made_map()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "embeddings.zarr")
        chunks = {"embedding": {"chunks": (64, 80, 80)}}
        made.to_zarr(path, zarr_format=3, consolidated=False, encoding=chunks)
        stored = xr.open_zarr(path, consolidated=False, chunks={}, mask_and_scale=False)
        directions = decoded(stored["embedding"])  # lazy
        model = streamkm.SphericalKMeans(K, feature_dim="band", random_state=0).fit(directions)
        y, x = np.nonzero((stored["embedding"][0] != -128).values)
        some = np.random.default_rng(2).choice(len(y), LABELLED, replace=False)
        places = {
            "y": xr.DataArray(y[some], dims="pixel"),
            "x": xr.DataArray(x[some], dims="pixel"),
        }
        known = np.array(list(COVERS))[cover[y[some], x[some]]]
        names = model.name_clusters(directions.isel(places), known)
        labels = model.predict(directions).compute()  # its flags have the names
    there = labels.values < K
    found = np.array([list(COVERS).index(name) for name in names])[np.where(there, labels, 0)]
    colours = np.array(list(COVERS.values()), np.uint8)
    figure, (left, right) = plt.subplots(1, 2, figsize=(15, 5), layout="constrained")
    streamkm.plot.labels(labels, left)
    left.set_title(f"{K} clusters, with the names of classes")
    right.imshow(np.where(there[..., None], colours[found], 255))
    right.set_title(f"land cover by {LABELLED} labelled pixels")
    patches = [Patch(color=np.divide(rgb, 255), label=name) for name, rgb in COVERS.items()]
    right.legend(handles=patches, loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False)
    right.set_axis_off()
    figure.savefig(output, dpi=80)
    print(f"{made['embedding'].nbytes / 2**20:.1f} MiB of embeddings, reads: {model.n_passes_}")
    share = (found == cover)[there].mean()
    print(f"{share:.1%} of the pixels have their class; stopped by {model.stop_reason_}")


if __name__ == "__main__":
    main(sys.argv[1])
