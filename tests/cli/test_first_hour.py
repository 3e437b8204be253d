"""What newcomers stumbled over on the command line."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from click.testing import CliRunner
from PIL import Image

import streamkm
from streamkm.cli import main


def said(*words, code=0):
    told = CliRunner().invoke(main, [str(word) for word in words])
    assert told.exit_code == code, told.output
    return told.output


@pytest.fixture(scope="module")
def climate(tmp_path_factory):
    """A group of two variables with weights and a mask, and a model of each kind."""
    folder = tmp_path_factory.mktemp("climate")
    rng = np.random.default_rng(0)
    values = rng.normal(size=(6, 8, 10)).astype("f4")
    shape = ("time", "lat", "lon")
    land = rng.random((8, 10)) > 0.4
    data = xr.Dataset(
        {
            "t2m": (shape, values, {"units": "degC"}),
            "u10": (shape, values[::-1].copy(), {"units": "m/s"}),
            "area": (("lat",), np.linspace(0.3, 1, 8)),
            "land": (("lat", "lon"), land),
        },
        coords={"time": pd.date_range("2000-01-01", periods=6, freq="MS")},
    )
    data.to_zarr(folder / "x", zarr_format=3, consolidated=False)
    options = ["--variable", "t2m", "--feature-dim", "time", "--weights", "area", "--mask", "land"]
    told = said("fit", folder / "x", *options, "-k", 3, "-o", folder / "m", "--json")
    facts = json.loads(told.splitlines()[-1])
    pair = ["--variable", "t2m", "--variable", "u10"]
    said("fit", folder / "x", *pair, "-k", 3, "-o", folder / "pair")
    return folder, facts, int((~land).sum())


def test_rows_left_out_are_counted_with_weights_too(climate):
    _, facts, masked = climate
    assert facts["rows_left_out"] == masked


def test_info_shows_days_units_and_what_the_sizes_are(climate):
    told = said("info", climate[0] / "m")
    assert "sum of" in told
    assert "weights" in told
    assert "2000-01-01  2000-02-01" in told
    assert "T00:00:00" not in told
    assert "[degC]" in told
    assert "…" not in told
    assert max(len(line.rstrip()) for line in told.splitlines()) <= 80


def test_a_model_finds_its_variables_in_a_group(climate):
    folder = climate[0]
    pair = ["--variable", "t2m", "--variable", "u10"]
    asked = said("predict", folder / "pair", folder / "x", *pair, "-o", folder / "a.npy")
    found = said("predict", folder / "pair", folder / "x", "-o", folder / "b.npy")
    assert found == asked
    labels = streamkm.load(folder / "pair").predict(folder / "x")
    assert np.array_equal(np.asarray(labels), np.load(folder / "b.npy"))
    assert "80 rows labelled" in said("predict", folder / "m", folder / "x", "-o", folder / "c.npy")


def test_a_variable_that_is_given_twice_is_refused(climate):
    pair = ["--variable", "t2m", "--variable", "t2m"]
    told = said("fit", climate[0] / "x", *pair, "-k", 3, "-o", climate[0] / "n", code=2)
    assert "'t2m' is given twice" in told


def test_a_dry_run_says_that_the_output_exists_and_runs(climate):
    folder = climate[0]
    for kind in ("auto", "bisecting"):
        options = ["--variable", "t2m", "--feature-dim", "time", "--algorithm", kind]
        words = ["fit", folder / "x", *options, "-k", 3, "-o", folder / "m", "--dry-run"]
        told = said(*words)
        assert "this run would end with an error" in told
        assert "--overwrite" in told
        assert "likely" in told or "reads" in told


def test_a_long_option_of_one_letter_means_the_short_one(climate):
    told = said("fit", climate[0] / "x", "--k", 5, code=2)
    assert "Did you mean '-k'?" in told


def test_images_are_compressed_before_similar_ones_are_found(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    told = said("similar", tmp_path, code=1)
    assert "is not a streamkm archive. Images are compressed first: streamkm compress" in told
    missing = said("similar", tmp_path / "photos.zarr", code=1)
    assert "no such path" in missing
    assert "streamkm compress" not in missing


def test_info_as_json_and_what_a_sweep_was_made_of(climate):
    folder = climate[0]
    options = ["--variable", "t2m", "--feature-dim", "time", "--scale", "standard"]
    made = json.loads(
        said(
            "sweep", folder / "x", *options, "-k", "2,3", "-o", folder / "s", "--json"
        ).splitlines()[-1]
    )
    found = json.loads(said("info", folder / "s", "--json"))
    assert found == made
    assert (found["parameters"]["variable"], found["parameters"]["scale"]) == ("t2m", "standard")
    told = said("info", folder / "s")
    assert told.split()[:2] == ["data", str(folder / "x")[: len(told.split()[1])]]
    assert "variable=t2m" in told
    model = json.loads(said("info", folder / "m", "--json"))
    stored = streamkm.load_model(folder / "m")
    assert model["centroids"] == stored.centroids.tolist()
    assert (model["n_clusters"], model["units"][0]) == (3, "degC")
    assert model["parameters"]["weights"] == "area"
    array = json.loads(said("info", folder / "x", "--variable", "t2m", "--json"))
    assert (array["shape"], array["nbytes"]) == ([6, 8, 10], 6 * 8 * 10 * 4)


def test_info_of_an_archive_as_json(tmp_path):
    (tmp_path / "im").mkdir()
    for number in range(2):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(tmp_path / "im" / f"{number}.png")
    said("compress", tmp_path / "im", "-o", tmp_path / "a.zarr", "-k", 4)
    short = json.loads(said("info", tmp_path / "a.zarr", "--json"))
    assert (short["n_images"], "images" in short) == (2, False)
    long = json.loads(said("info", tmp_path / "a.zarr", "--json", "--all"))
    assert [image["width"] for image in long["images"]] == [4, 4]


def test_the_summary_of_a_fit_names_its_plot(climate):
    folder = climate[0]
    options = ["--variable", "t2m", "--feature-dim", "time", "--plot", folder / "loss.png"]
    told = said("fit", folder / "x", *options, "-k", 2, "-o", folder / "plotted", "--json")
    assert json.loads(told.splitlines()[-1])["plot"] == str(folder / "loss.png")
