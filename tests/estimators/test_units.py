"""Models keep the units of the features; `info` shows them, and why the fit ended."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
import zarr
from click.testing import CliRunner

import streamkm
from streamkm import BisectingKMeans, KMeans, MiniBatchKMeans, SphericalKMeans, reasons
from streamkm.cli import main
from streamkm.rows import open_rows
from tests.conftest import mixture

X = mixture(300, 3, 3)


def dataset(order=("t2m", "pr", "cover")):
    units = {"t2m": "K", "pr": "mm d-1", "cover": "1"}
    columns = dict(zip(units, X.T, strict=True))
    return xr.Dataset({n: ("time", columns[n], {"units": units[n]}) for n in order})


@pytest.mark.parametrize("kind", [KMeans, SphericalKMeans, MiniBatchKMeans, BisectingKMeans])
def test_the_variables_of_a_dataset_have_their_units(kind, tmp_path):
    model = kind(2, random_state=0).fit(dataset())
    model.save(tmp_path / "m")
    for known in (model, streamkm.load(tmp_path / "m")):
        assert known.feature_units_.tolist() == ["K", "mm d-1", "1"]
        shown = [
            name for name in known.centroid_table(units=True) if name not in ("count", "share")
        ]
        assert shown == ["t2m [K]", "pr [mm d-1]", "cover"]
        assert "t2m" in known.centroid_table()
    assert streamkm.load_model(tmp_path / "m").units == ["K", "mm d-1", "1"]
    model.fit(X)
    assert not hasattr(model, "feature_units_")
    assert model.centroid_table(units=True).columns[-1] == 2


def test_units_follow_the_order_of_the_features():
    model = KMeans(2, random_state=0).fit(dataset())
    turned = dataset(("cover", "t2m", "pr"))
    assert KMeans(2, random_state=0).fit(turned).feature_units_.tolist() == ["1", "K", "mm d-1"]
    assert model.refit(turned).feature_units_.tolist() == ["K", "mm d-1", "1"]


def test_one_unit_of_an_array_is_that_of_all_features(tmp_path):
    cube = xr.DataArray(X, dims=("time", "band"), attrs={"units": "K"})
    assert KMeans(2, random_state=0).fit(cube).feature_units_.tolist() == ["K"] * 3
    assert KMeans(2, random_state=0).fit(cube.drop_attrs()).__dict__.get("feature_units_") is None
    packed = zarr.create_array(tmp_path / "p", data=X, attributes={"units": "K", "add_offset": 3.0})
    assert open_rows(packed).layout.units == ("K",) * 3  # of the decoded values
    with pytest.warns(UserWarning, match="scale"):
        assert open_rows(cube.assign_attrs(scale_factor=3.0)).layout.units is None
    some = dataset()
    del some["pr"].attrs["units"], some["cover"].attrs["units"]
    assert KMeans(2, random_state=0).fit(some).feature_units_.tolist() == ["K", "", ""]


def test_commands_show_units_and_the_meaning_of_the_end(tmp_path):
    zarr.create_array(tmp_path / "x", data=X, chunks=(100, 3), attributes={"units": "K"})

    def run(*words):
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exit_code == 0, result.output
        return result.output

    run("fit", tmp_path / "x", "-k", 2, "-o", tmp_path / "m", "--max-iter", 1, "--tol", 0)
    said = run("info", tmp_path / "m")
    assert "x0 [K]" in said
    assert "max_iter (not converged" in " ".join(said.split())
    run("sweep", tmp_path / "x", "-k", "2,3", "-o", tmp_path / "s")
    assert streamkm.load(tmp_path / "s", 3).feature_units_.tolist() == ["K"] * 3


def test_every_stop_rule_has_a_meaning():
    rules = {
        value for name, value in vars(reasons).items() if name.isupper() and name != "MEANINGS"
    }
    assert set(reasons.MEANINGS) == rules


def test_a_model_is_one_line():
    model = streamkm.Model(np.eye(2), inertia=3.0, stop_reason="max_iter")
    assert repr(model) == "<Model: 2 clusters, 2 features, inertia 3, stopped by max_iter>"
