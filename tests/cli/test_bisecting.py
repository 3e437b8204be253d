"""Bisecting k-means on the command line, compared with `BisectingKMeans`."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

import streamkm
import streamkm.rows.memory
from streamkm.cli import main

K = 6


@pytest.fixture
def store(blobs, tmp_path):
    zarr.create_array(tmp_path / "x", data=blobs, chunks=(500, 6), dimension_names=("row", "band"))
    return tmp_path / "x"


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def fit(store, *more, code=0, k=K):
    of = ["-k", k, "--algorithm", "bisecting", "-o", store.parent / "m", *more]
    return run("fit", store, *of, code=code)


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("more", [{}, {"scale": "standard"}, {"n_init": 3, "random_state": 5}])
def test_the_model_and_the_labels_are_those_of_python(store, monkeypatch, kept, more):
    monkeypatch.setattr(streamkm.rows.memory, "TABLE_NBYTES", 0)
    if not kept:
        monkeypatch.setattr(streamkm.rows.memory, "KEPT_SHARE", 0)
    names = {"random_state": "seed"}
    options = [
        word
        for name, value in more.items()
        for word in (f"--{names.get(name, name).replace('_', '-')}", value)
    ]
    found = json.loads(fit(store, *options, "--labels", store.parent / "l", "--json").stdout)
    given = {"random_state": 0} | more
    expected = streamkm.BisectingKMeans(K, **given).fit(zarr.open_array(store))
    model = streamkm.load(store.parent / "m")
    assert isinstance(model, streamkm.BisectingKMeans)
    assert np.array_equal(model.cluster_centers_, expected.cluster_centers_)
    assert np.array_equal(model.counts_, expected.counts_)
    assert found["inertia"] == model.inertia_ == expected.inertia_
    assert found["splits"] == K - 1
    assert found["reads"] == model.n_passes_ == expected.n_passes_ + (not kept)
    labels = zarr.open_array(store.parent / "l")
    assert np.array_equal(labels[...], expected.labels_.compute())
    assert labels.metadata.dimension_names == ("row",)
    run("predict", store.parent / "m", store, "-o", store.parent / "again")
    assert np.array_equal(zarr.open_array(store.parent / "again")[...], labels[...])


def test_a_single_cluster(store):
    fit(store, k=1)
    center = zarr.open_array(store)[...].mean(axis=0, dtype=np.float64)
    model = streamkm.load(store.parent / "m")
    assert model.cluster_centers_[0] == pytest.approx(center, rel=1e-6)


def test_info_and_progress_name_the_splits(store):
    said = fit(store).stderr
    assert [f"split {n} of {K - 1}, " in said for n in range(K + 1)] == [False, *[True] * 5, False]
    shown = run("info", store.parent / "m").output
    assert re.search(r"splits +5 ", shown)
    assert "algorithm=bisecting" in shown
    assert "stopped by" not in shown


def test_weights_and_a_mask(store):
    rng = np.random.default_rng(0)
    weights, mask = rng.random(5000) + 0.1, rng.random(5000) < 0.6
    zarr.create_array(store.parent / "w", data=weights)
    zarr.create_array(store.parent / "land", data=mask)
    fit(store, "--weights", store.parent / "w", "--mask", store.parent / "land")
    expected = streamkm.BisectingKMeans(K, random_state=0).fit(
        zarr.open_array(store), sample_weight=weights, mask=mask
    )
    model = streamkm.load(store.parent / "m")
    assert np.array_equal(model.cluster_centers_, expected.cluster_centers_)


@pytest.mark.usefixtures("no_table")
def test_a_dry_run_bounds_the_reads_and_reads_nothing(store, monkeypatch):
    more = ["--max-iter", 4, "--json", "--labels", store.parent / "l"]
    with monkeypatch.context() as patched:
        patched.setattr(zarr.Array, "__getitem__", None)
        bound = json.loads(fit(store, *more, "--dry-run").stdout)
    assert not (store.parent / "m").exists()
    assert bound["splits"] == K - 1
    assert json.loads(fit(store, *more).stdout)["reads"] <= bound["reads_at_most"]


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (["--checkpoint", "c"], "--checkpoint does not apply"),
        (["--time-limit", "5m", "--plot", "x.png"], "--time-limit and --plot do not apply"),
        (["--restarts", "halving"], "--restarts does"),
        (["--metric", "cosine"], "--metric does"),
        (["--loss-tol", "0.1"], "--loss-tol does"),
        (["--checkpoint", "c", "--checkpoint-reads", 3], "--checkpoint and --checkpoint-reads do"),
    ],
)
def test_options_that_do_not_apply_are_refused_before_any_work(store, more, named):
    said = fit(store, *more, code=2).output
    assert named in said
    assert "--algorithm bisecting" in said
    assert not (store.parent / "m").exists()


def test_fewer_distinct_rows_than_clusters_is_one_line(tmp_path):
    zarr.create_array(tmp_path / "x", data=np.repeat(np.eye(3), 9, axis=0))
    assert "fewer distinct rows" in fit(tmp_path / "x", code=1).output


def test_without_its_labels_the_model_is_complete(store, monkeypatch):
    def fail(*_, **__):
        raise OSError("full")

    with monkeypatch.context() as patched:
        patched.setattr("streamkm.runs.labels.writing", fail)
        said = fit(store, "--labels", store.parent / "l", code=1).output
    again = said.split("write the labels with: streamkm ")[1].split()
    run(*again)
    model = streamkm.load(store.parent / "m")
    labels = zarr.open_array(store.parent / "l")[...]
    assert np.bincount(labels).tolist() == model.counts_.tolist()
