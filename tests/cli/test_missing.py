"""Rows with gaps on the command line, compared with Python."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

import streamkm
from streamkm.cli import main
from tests.conftest import mixture

X = mixture(500, 4, 3)
X[np.random.default_rng(0).random(X.shape) < 0.4] = np.nan
X[7] = np.nan
EMPTY, COMPLETE = np.isnan(X).all(axis=1), ~np.isnan(X).any(axis=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A store of rows with gaps, its model and its labels."""
    folder = tmp_path_factory.mktemp("gaps")
    zarr.create_array(folder / "x", data=X, chunks=(100, 4))
    fit(folder, "--missing", "impute", "--labels", folder / "labels.npy")
    return folder


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def fit(folder, *more, code=0, model="model"):
    return run("fit", folder / "x", "-k", 3, "-o", folder / model, *more, "--json", code=code)


def test_a_fit_and_its_labels_are_those_of_python(folder):
    expected = streamkm.KMeans(3, missing="impute", random_state=0).fit(
        zarr.open_array(folder / "x")
    )
    model, labels = streamkm.load(folder / "model"), np.load(folder / "labels.npy")
    assert np.array_equal(model.cluster_centers_, expected.cluster_centers_)
    assert np.array_equal(labels, np.asarray(expected.labels_))
    assert np.array_equal(labels == 255, EMPTY)


def test_a_fit_says_how_many_rows_are_left_out_and_resumes(folder):
    more = ["--missing", "impute", "--checkpoint", folder / "ckpt"]
    found = json.loads(fit(folder, *more, "--max-iter", 1, model="other").stdout)
    assert found["rows_left_out"] == EMPTY.sum()
    fit(folder, *more, "--overwrite", model="other")
    resumed = streamkm.load(folder / "other").cluster_centers_
    assert np.array_equal(resumed, streamkm.load(folder / "model").cluster_centers_)
    shutil.rmtree(folder / "other")
    result = fit(folder, "--nodata", "nan", "--checkpoint", folder / "ckpt", code=1, model="other")
    assert "missing was impute, is now None" in result.output
    found = json.loads(fit(folder, "--nodata", "nan", model="complete").stdout)
    assert found["rows_left_out"] == (~COMPLETE).sum()


def test_predict_uses_the_option_of_the_fit_or_its_own(folder):
    said = run("predict", folder / "model", folder / "x", "-o", folder / "a.npy").output
    assert f"{(~EMPTY).sum()} rows labelled, {EMPTY.sum()} left out" in said
    assert np.array_equal(np.load(folder / "a.npy"), np.load(folder / "labels.npy"))
    omit = ["--missing", "omit", "--nodata", "nan"]
    said = run("predict", folder / "model", folder / "x", "-o", folder / "b.npy", *omit).output
    assert f"{COMPLETE.sum()} rows labelled, {(~COMPLETE).sum()} left out" in said
    plain = streamkm.KMeans.from_centroids(np.eye(4)[:3])
    plain.save(folder / "plain")
    impute = ["-o", folder / "c.npy", "--missing", "impute"]
    run("predict", folder / "plain", folder / "x", *impute)
    expected = np.nansum((X[:, None] - np.eye(4)[None, :3]) ** 2, axis=2).argmin(axis=1)
    assert np.array_equal(np.load(folder / "c.npy")[~EMPTY], expected[~EMPTY])


def test_other_commands_use_complete_rows(folder):
    run("nearest", folder / "model", folder / "x", "-n", 2, "-o", folder / "near.npy")
    numbers = np.load(folder / "near.npy")
    assert COMPLETE[numbers[numbers >= 0]].all()
    said = run("partition", folder / "model", folder / "x", "-o", folder / "parts").output
    assert f"{(~COMPLETE).sum()} rows left out" in said


@pytest.mark.parametrize(
    ("options", "message", "code"),
    [
        (["--metric", "cosine"], "--missing impute does not apply with --metric cosine", 1),
        (["--scale", "robust"], "--missing impute does not apply with --scale robust", 1),
        (["--max-size", 400], "--missing impute does not apply with --max-size 400", 1),
        (["--algorithm", "bisecting"], "--missing does not apply to --algorithm bisecting", 2),
    ],
)
def test_what_has_no_method_is_one_error_before_any_read(folder, options, message, code):
    result = fit(folder, "--missing", "impute", *options, code=code, model="new")
    assert message in result.output
    assert not (folder / "new").exists()
