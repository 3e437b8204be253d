"""`streamkm.nearest` and ``streamkm nearest``: the same rows in every kind of output."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
import xarray as xr
import zarr
from click.testing import CliRunner

import streamkm
from streamkm.cli import main
from streamkm.errors import DataError, OutputExistsError

X = np.random.default_rng(0).normal(size=(500, 4))
CENTROIDS = [*X[:6], [50.0] * 4, [60.0] * 4]
N = 80


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nearest")
    zarr.create_array(folder / "x.zarr", data=X, chunks=(60, 4))
    streamkm.KMeans.from_centroids(CENTROIDS).save(folder / "model.zarr")
    streamkm.BisectingKMeans(5, random_state=0).fit(X).save(folder / "tree.zarr")
    return folder


def run(*arguments, code=0):
    result = CliRunner().invoke(main, ["nearest", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


def test_every_output_has_the_same_rows(here):
    want = streamkm.nearest(here / "model.zarr", here / "x.zarr", N)
    representatives = streamkm.load(here / "model.zarr").representatives(X, N)
    np.testing.assert_array_equal(want.numbers, representatives.numbers)
    np.testing.assert_array_equal(X[want.numbers[0, :9]], representatives.values[0, :9])
    assert (want.numbers[6:] == -1).all()
    for name in ("rows.npy", "rows.parquet", "rows.zarr"):
        said = run(here / "model.zarr", here / "x.zarr", "-m", N, "-o", here / name)
    found = (want.numbers >= 0).sum()
    short = ((want.numbers < 0).any(axis=1)).sum()
    assert f"{found} rows of 8 clusters; {short} of them have fewer than 80" in said
    numbers = np.load(here / "rows.npy")
    assert numbers.dtype == np.int64
    np.testing.assert_array_equal(numbers, want.numbers)
    dataset = xr.open_zarr(here / "rows.zarr", consolidated=False)
    assert dict(dataset.sizes) == {"cluster": 8, "rank": N}
    np.testing.assert_array_equal(dataset["distances"], want.distances)
    np.testing.assert_array_equal(zarr.open_array(here / "rows.zarr" / "numbers"), want.numbers)
    table = pq.read_table(here / "rows.parquet").to_pydict()
    at = np.array(table["cluster"]), np.array(table["rank"])
    assert len(at[0]) == found
    np.testing.assert_array_equal(want.numbers[at], table["row"])
    np.testing.assert_array_equal(want.distances[at], table["distance"])


def test_rows_of_a_tree_are_those_of_its_leaves(here):
    run(here / "tree.zarr", here / "x.zarr", "-m", 3, "-o", here / "leaves.npy")
    found, model = np.load(here / "leaves.npy"), streamkm.load(here / "tree.zarr")
    labels = model.predict(X)
    for cluster, rows in enumerate(found):
        own = np.flatnonzero(labels == cluster)
        apart = np.linalg.norm(X[own] - model.cluster_centers_[cluster], axis=1)
        assert rows.tolist() == own[np.argsort(apart, kind="stable")[:3]].tolist()


def test_one_k_of_a_sweep_is_a_model(here):
    found = streamkm.sweep(here / "x.zarr", [2, 3])
    found.to_zarr(here / "sweep.zarr", zarr_format=3, consolidated=False)
    assert "by -k." in run(here / "sweep.zarr", here / "x.zarr", "-o", here / "a.npy", code=1)
    run(here / "sweep.zarr", here / "x.zarr", "-k", 3, "-n", 5, "-o", here / "of_sweep.npy")
    want = streamkm.nearest(streamkm.load(here / "sweep.zarr", 3), X, 5).numbers
    np.testing.assert_array_equal(np.load(here / "of_sweep.npy"), want)


def test_python_writes_the_file_too_and_masked_rows_are_not_found(here):
    mask = np.ones(len(X), bool)
    first = streamkm.nearest(here / "model.zarr", X, 1).numbers[0, 0]
    mask[first] = False
    out = here / "python.npy"
    second = streamkm.nearest(here / "model.zarr", X, 1, output=out, mask=mask).numbers
    assert second[0, 0] == streamkm.nearest(here / "model.zarr", X, 2).numbers[0, 1]
    np.testing.assert_array_equal(np.load(out), second)


def test_mistakes_are_refused_before_the_read(here, monkeypatch):
    monkeypatch.setattr("streamkm.engine.fold.folding", None)
    monkeypatch.setattr("streamkm.runs.nearest.folding", None)
    (here / "there.npy").write_text("")
    model, data = here / "model.zarr", here / "x.zarr"
    assert "there.npy exists" in run(model, data, "-o", here / "there.npy", code=1)
    assert "lies inside" in run(model, data, "-o", data / "a.npy", code=1)
    refused = run(model, data, "-o", here / "a.csv", code=1)
    assert "give it the suffix .zarr, or one of .npy, .parquet" in refused
    said = run(model, data, "-m", 10**8, "--memory-limit", "1GiB", "-o", here / "a.npy", code=1)
    assert "over the limit of 1.0 GiB" in said
    assert "find fewer rows" in run(model, data, "-m", 10**11, "-o", here / "a.npy", code=1)
    with pytest.raises(MemoryError, match="this machine has"):
        streamkm.nearest(model, data, 10**11)
    with pytest.raises(OutputExistsError):
        streamkm.nearest(model, data, output=here / "there.npy")
    with pytest.raises(DataError, match="4 features"):
        streamkm.nearest(model, X[:, :3])
