"""``streamkm info --json`` gives numbers and lists of every kind of output."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

import streamkm
from streamkm.cli import main

X = np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("outputs")
    zarr.create_array(where / "x", data=X, chunks=(100, 4))
    km = streamkm.KMeans.from_centroids(X[:3].astype(float))
    km.save(where / "model")
    streamkm.partition(km, where / "x", where / "parts")
    streamkm.partition(km, where / "x", where / "parts.parquet")
    streamkm.dedup(where / "parts", where / "keep", threshold=0.9)
    streamkm.HierarchicalKMeans(6, levels=2, init="random", random_state=0).fit(X).save(
        where / "tree"
    )
    streamkm.StreamingKMeans(2, random_state=0).partial_fit(X).save(where / "stream")
    streamkm.ProductQuantizer(2, n_codewords=8, random_state=0).fit(X).save(where / "codes")
    words = ["nearest", str(where / "model"), str(where / "x"), "-n", "5", "-o"]
    for name in ("nearest", "nearest.npy"):
        assert CliRunner().invoke(main, [*words, str(where / name)]).exit_code == 0
    return where


def info(path):
    result = CliRunner().invoke(main, ["info", str(path), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_partitions(folder):
    sizes = streamkm.open_partition(folder / "parts").sizes.tolist()
    found = info(folder / "parts")
    assert (found["n_rows"], found["n_features"], found["sizes"]) == (400, 4, sizes)
    found = info(folder / "parts.parquet")
    assert found == {"format": "parquet", "n_clusters": 3, "row_shape": [400]}


def test_row_numbers_and_masks(folder):
    assert info(folder / "nearest") == {"n_clusters": 3, "n_rows": 5}
    assert info(folder / "nearest.npy")["shape"] == [3, 5]
    found = info(folder / "keep")
    assert (found["shape"], found["dtype"], found["threshold"]) == ([400], "bool", 0.9)


def test_levels_streams_and_codebooks(folder):
    assert info(folder / "tree")["levels"] == [6, 2]
    assert info(folder / "model")["levels"] is None
    assert info(folder / "stream")["stream"]["n_rows"] == 400
    found = info(folder / "codes")
    assert (found["n_parts"], found["n_codewords"], found["n_features"]) == (2, 8, 4)
    assert found["n_coarse_centroids"] is None


def test_folders_of_very_many_other_files_are_refused_soon(tmp_path, monkeypatch):
    monkeypatch.setattr("streamkm.files.find._OTHERS", 3)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    np.save(tmp_path / "in" / "x.npy", X)
    assert info(tmp_path / "in")["shape"] == [400, 4]
    for name in "abcd":
        (tmp_path / "in" / "deep" / name).touch()
    result = CliRunner().invoke(main, ["info", str(tmp_path / "in")])
    assert result.exit_code == 1
    assert "more than 3 folders and files that are no data: name the folder" in result.output
