"""Small real files of every kind, and their values."""

from __future__ import annotations

import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import rasterio
from click.testing import CliRunner
from PIL import Image
from rasterio import Affine

from streamkm.cli import main

SMALL = ("--chunk", "1KiB", "--shard", "4KiB")


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(1000, 6)).astype("f4")


def write_table(folder, x, kind, name="t", **options):
    """A table with a column of text between columns of numbers."""
    columns = {f"f{i}": x[:, i].astype("f8") for i in range(x.shape[1])}
    table = pa.table({"city": [f"c{i}" for i in range(len(x))], **columns})
    path = folder / f"{name}.{kind}"
    if kind == "csv":
        pa.csv.write_csv(table, path)
    else:
        pa.parquet.write_table(table, path, **options)
    return path


def write_images(folder, count, shape=(12, 10, 3), seed=0):
    folder.mkdir(exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (count, *shape)).astype("u1")
    for number, values in enumerate(pixels):
        Image.fromarray(values).save(folder / f"{number:03}.png")
    return pixels


def write_tar(path, folder):
    with tarfile.open(path, "w:gz" if path.suffix == ".tgz" else "w") as tar:
        for image in sorted(folder.iterdir()):
            tar.add(image, f"photos/{image.name}")
    return path


def write_scene(path, seed=0, **options):
    values = np.random.default_rng(seed).integers(1, 9999, (3, 70, 50)).astype("u2")
    how = {
        "height": 70,
        "width": 50,
        "count": 3,
        "dtype": "uint16",
        "crs": "EPSG:32633",
        "transform": Affine(10, 0, 500_000, 0, -20, 6_000_000),
        "nodata": 0,
        "tiled": True,
        "blockxsize": 32,
        "blockysize": 16,
    } | options
    values = values[:, : how["height"], : how["width"]].astype(how["dtype"])
    with rasterio.open(path, "w", driver="GTiff", **how) as scene:
        scene.write(values)
    return values
