"""The command line matches features by name, in every kind of store that `ingest` writes."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr
from click.testing import CliRunner

import streamkm
from streamkm.cli import main

NAMES = ["red", "green", "blue"]
ORDER = [2, 0, 1]
SHUFFLED = [NAMES[place] for place in ORDER]
RNG = np.random.default_rng(0)
X = (RNG.integers(5, size=(600, 3)) * [10.0, 100.0, 1.0] + RNG.normal(size=(600, 3))).astype("f4")


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result.output


def csv(path, values, names):
    pd.DataFrame(values, columns=names).to_csv(f"{path}.csv", index=False)
    streamkm.ingest(f"{path}.csv", path, dtype="float32")


def parquet(path, values, names):
    pd.DataFrame(values, columns=names).to_parquet(f"{path}.parquet")
    streamkm.ingest(f"{path}.parquet", path)


def cube(path, values, names):
    """A consolidated store with the names in the coordinate of the feature dimension."""
    data = xr.DataArray(
        values.T.reshape(-1, 20, 30), dims=("band", "y", "x"), coords={"band": names}, name="x"
    )
    data.to_dataset().to_zarr(path)


def geotiff(path, values, names):
    rasterio = pytest.importorskip("rasterio")
    options = {"width": 30, "height": 20, "count": len(names), "dtype": "float32"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(f"{path}.tif", "w", driver="GTiff", **options) as scene:
            scene.write(values.T.reshape(-1, 20, 30))
            scene.descriptions = names
    streamkm.ingest(f"{path}.tif", path)


@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
@pytest.mark.filterwarnings("ignore:Consolidated metadata")
@pytest.mark.parametrize("write", [csv, parquet, cube, geotiff])
class TestByPath:
    @pytest.fixture
    def stores(self, write, tmp_path):
        write(tmp_path / "a", X, NAMES)
        write(tmp_path / "b", X[:, ORDER], SHUFFLED)
        write(tmp_path / "c", X, ["red", "green", "swir"])
        return tmp_path, () if write in (csv, parquet) else ("--feature-dim", "band")

    def test_predict(self, stores):
        at, dims = stores
        run("fit", at / "a", "-k", 4, "-o", at / "m", "--labels", at / "la", *dims)
        assert streamkm.load_model(at / "m").features == NAMES
        run("predict", at / "m", at / "b", "-o", at / "lb")  # the model knows its feature_dim
        assert np.array_equal(zarr.open_array(at / "la")[...], zarr.open_array(at / "lb")[...])
        said = run("predict", at / "m", at / "c", "-o", at / "lc", code=1)
        assert "'swir'" in said
        assert not (at / "lc").exists()

    def test_a_sweep_and_its_validation_data(self, stores):
        at, dims = stores
        run("sweep", at / "a", "-k", "2:4", "-o", at / "s", "--validation", at / "b", *dims)
        found = xr.open_zarr(at / "s", consolidated=False)
        assert np.allclose(found["train_min"], found["validation_min"], rtol=1e-6)
        other = ("--validation", at / "c", "-o", at / "s2")
        assert "'swir'" in run("sweep", at / "a", "-k", 2, *other, *dims, code=1)
        for data in "ab":
            run("predict", at / "s", at / data, "-k", 3, "-o", at / f"l{data}")
        assert np.array_equal(zarr.open_array(at / "la")[...], zarr.open_array(at / "lb")[...])


def test_the_number_of_a_feature_dimension_is_remembered(tmp_path):
    """For square data, a forgotten feature_dim=0 would give wrong labels without an error."""
    values = RNG.normal(size=(40, 40)) * np.arange(1, 41)[:, None]
    zarr.create_array(tmp_path / "x", data=values, chunks=(40, 10))
    path = tmp_path / "x"
    run("fit", path, "-k", 3, "-o", tmp_path / "m", "--labels", tmp_path / "l", "--feature-dim", 0)
    run("predict", tmp_path / "m", path, "-o", tmp_path / "again")
    want = zarr.open_array(tmp_path / "l")[:]
    assert np.array_equal(zarr.open_array(tmp_path / "again")[:], want)
    loaded = streamkm.load(tmp_path / "m")
    assert loaded.feature_dim == [0]
    assert np.array_equal(loaded.predict(values), want)
