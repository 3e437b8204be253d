"""Kill the labelling of files into files, and fits of files, at some events; processes fork.

python -m tests.outputs.killed_labels FOLDER
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import h5netcdf
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import rasterio.shutil  # loaded here, once for all children

import streamkm
import streamkm.cli.commands.fit
import streamkm.cli.commands.predict
import streamkm.rows.opened
from streamkm.outputs import label_files, label_geotiff, label_netcdf, label_parquet, whole_labels
from streamkm.rows import memory
from streamkm.rows.formats.placeless import placeless
from tests import killing
from tests.killed_output import KilledOutput
from tests.killing import load_kernels

X = np.random.default_rng(0).normal(size=(40, 20, 2)).astype("f4")
WANTED = (((X - 1.0) ** 2).sum(axis=-1) < (X.astype(float) ** 2).sum(axis=-1)).astype("u1")


def write(path):
    if path.suffix == ".npy":
        np.save(path, X)
    elif path.suffix == ".parquet":
        rows = X.reshape(-1, 2)
        pq.write_table(pa.table({"a": rows[:, 0], "b": rows[:, 1]}), path, row_group_size=60)
    elif path.suffix == ".nc":
        with h5netcdf.File(path, "w") as file:
            file.dimensions = dict(zip("yxf", X.shape, strict=True))
            file.create_variable("v", tuple("yxf"), "f4", data=X, chunks=(3, 20, 2))
    else:
        bands = np.moveaxis(X, -1, 0)
        options = {"driver": "GTiff", "width": 20, "height": 40, "count": 2, "dtype": "float32"}
        options |= {"tiled": True, "blockxsize": 16, "blockysize": 16}
        with placeless(), rasterio.open(path, "w", **options) as file:
            file.write(bands)


def read(path):
    if path.suffix == ".npy":
        return np.load(path)
    if path.suffix == ".parquet":
        return pq.read_table(path)["label"].to_numpy().reshape(40, 20)
    if path.suffix == ".nc":
        with h5netcdf.File(path) as file:
            return file["labels"][...]
    with placeless(), rasterio.open(path) as file:
        return file.read(1)


def patches(events, patch):
    patch.setattr(whole_labels, "_PART", 100)
    patch.setattr(streamkm.rows.opened, "_UNIT_NBYTES", 500)  # of npy, which has no chunks
    patch.setattr(Path, "replace", replacing(events))
    for module in (label_files, label_geotiff, label_netcdf, label_parquet):
        patch.setattr(module, "pieces", writing(events))


def replacing(events):
    before = Path.replace

    def call(path, target):
        own = Path(target).stem == "l"  # Zarr replaces its files, too
        if own:
            events.happened("outputs before the file is renamed")
        found = before(path, target)
        if own:
            events.happened("outputs after the file is renamed")
        return found

    return call


def writing(events):
    before = whole_labels.pieces

    def call(array):
        events.happened("file before the first piece")
        for piece in before(array):
            yield piece
            events.happened("file after a piece")

    return call


def fit_killed(top, files, data):
    """Kill a fit of a file that is read in every iteration; its centroids have the same bits."""
    shutil.copytree(files, top / "start")

    def bits(folder):
        return streamkm.load(folder / "fitted").cluster_centers_.tobytes()

    def reading(events, patch):
        patch.setattr(memory, "TABLE_NBYTES", 0)
        patch.setattr(memory, "KEPT_SHARE", 0)
        patch.setattr(killing, "SIGNALLED_AFTER", -1)  # no signal but the kill
        patches(events, patch)
        events.phase = "seeding"  # from the start on

    command = ["fit", *data, "-k", "2", "--init", "random", "--max-iter", "2", "--tol", "0"]
    command += ["-o", "fitted", "--checkpoint", "saved", "--checkpoint-every", "0"]
    right = lambda folder: bits(folder) == bits(top / "whole")  # noqa: E731
    KilledOutput(top, command, "fitted", reading, right).kill_and_run_again(1)


if __name__ == "__main__":
    load_kernels(X.reshape(-1, 2))
    features = {".npy": ["--feature-dim", "2"], ".nc": ["--feature-dim", "f"]}
    features |= {".tif": ["--feature-dim", "band"], ".parquet": []}
    for suffix, more in features.items():
        top, name = Path(sys.argv[1], suffix), f"l{suffix}"
        (top / "start").mkdir(parents=True)
        write(top / "start" / f"x{suffix}")
        streamkm.KMeans.from_centroids([[0.0, 0.0], [1.0, 1.0]]).save(top / "start" / "m")

        def right(folder, name=name):
            return np.array_equal(read(folder / name), WANTED)

        command = ["predict", "m", f"x{suffix}", *more, "-o", name]
        KilledOutput(top, command, name, patches, right).kill_and_run_again(3)
        fit_killed(Path(sys.argv[1], f"fit{suffix}"), top / "start", [f"x{suffix}", *more])
