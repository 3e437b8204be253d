"""Weights, masks and the metric on the command line, compared with Python."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

import streamkm
from streamkm.cli import main
from tests import reference

K = 3


@pytest.fixture
def store(tmp_path):
    """A cube (y, x, band) with weights by row and column, weights by row, and a mask."""
    rng = np.random.default_rng(0)
    group = zarr.create_group(tmp_path / "cube")
    arrays = {
        "bands": (rng.normal(size=(30, 40, 4)) + 1, ("y", "x", "band")),
        "area": (rng.random((30, 40)), ("y", "x")),
        "by_row": (rng.random(30), ("y",)),
        "land": (rng.random((30, 40)) < 0.7, ("y", "x")),
        "lat": (np.linspace(-90, 90, 30), ("y",)),
    }
    for name, (values, dims) in arrays.items():
        group.create_array(name, data=values, dimension_names=dims)
    return tmp_path / "cube"


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def fit(store, *more, code=0):
    of = ["--variable", "bands", "--feature-dim", "band", "-k", K, "--json"]
    return run("fit", store, *of, "-o", store.parent / "model", *more, code=code)


def fitted(store, kind=streamkm.KMeans, **beside):
    data = zarr.open_group(store)["bands"]
    return kind(K, random_state=0, feature_dim="band").fit(data, **beside)


@pytest.mark.parametrize("name", ["area", "by_row"])
def test_weights_by_name_and_by_path_are_those_of_python(store, name):
    weights = zarr.open_group(store)[name]
    expected = fitted(store, sample_weight=weights)
    for given in (name, store / name):
        found = json.loads(fit(store, "--weights", given, "--overwrite").stdout)
        assert found["inertia"] == expected.inertia_
        model = streamkm.load(store.parent / "model")
        assert np.array_equal(model.cluster_centers_, expected.cluster_centers_)
        assert np.array_equal(model.counts_, expected.counts_)
    assert expected.counts_.sum() == pytest.approx(
        np.broadcast_to(weights[...].reshape(30, -1), (30, 40)).sum()
    )


@pytest.mark.parametrize("name", ["area", "by_row"])
def test_weighted_rows_are_not_counted_as_left_out_and_a_fit_resumes_with_its_weights_only(
    store, name
):
    more = ["--weights", name, "--checkpoint", store.parent / "ckpt"]
    found = json.loads(fit(store, *more).stdout)
    assert found["rows_left_out"] is None
    assert "is complete" in fit(store, *more).stderr
    zarr.open_group(store)[name][3] = 0.5
    assert "belongs to other data: " in fit(store, *more, code=1).output


def test_an_array_of_the_data_comes_before_a_path_of_the_same_name(store, monkeypatch):
    monkeypatch.chdir(store.parent)
    (store.parent / "land").mkdir()
    fit(store, "--mask", "land", "--labels", "labels")
    inside = zarr.open_group(store)["land"][...]
    assert streamkm.load("model").counts_.sum() == inside.sum()


def test_an_output_may_not_replace_the_mask(store):
    mask = store.parent / "labels"
    fit(store, "--labels", mask)
    result = fit(store, "--mask", mask, "--labels", mask, "--overwrite", code=1)
    assert "is the same place as" in result.output
    of = ["--variable", "bands", "--feature-dim", "band", "--mask", mask, "--overwrite"]
    result = run("predict", store.parent / "model", store, *of, "-o", mask, code=1)
    assert "is the same place as" in result.output


def test_a_mask_leaves_rows_out_of_a_fit_and_of_labels(store):
    mask = zarr.open_group(store)["land"]
    labels = store.parent / "labels"
    fit(store, "--mask", "land", "--labels", labels)
    inside = mask[...]
    written = zarr.open_array(labels)[...]
    assert ((written < K) == inside).all()
    model = streamkm.load(store.parent / "model")
    assert model.counts_.sum() == inside.sum()
    assert model.counts_.tolist() == np.bincount(written[inside]).tolist()
    of = ["--variable", "bands", "--feature-dim", "band", "--mask", "land"]
    result = run("predict", store.parent / "model", store, *of, "-o", store.parent / "again")
    assert f"{(~inside).sum():,} left out" in result.output
    assert np.array_equal(zarr.open_array(store.parent / "again")[...], written)


def test_the_metric_is_that_of_spherical_k_means(store):
    fit(store, "--metric", "cosine")
    expected = fitted(store, streamkm.SphericalKMeans)
    model = streamkm.load(store.parent / "model")
    assert isinstance(model, streamkm.SphericalKMeans)
    assert np.array_equal(model.cluster_centers_, expected.cluster_centers_)
    assert (
        "--metric cosine does not scale"
        in fit(store, "--metric", "cosine", "--scale", "robust", "--overwrite", code=2).output
    )


def test_a_sweep_takes_weights_but_not_for_its_validation_data(store):
    of = ["--variable", "bands", "--feature-dim", "band", "-k", "1:3", "--weights", "area"]
    run("sweep", store, *of, "--validation", store, "-o", store.parent / "sweep")
    found = streamkm.open_sweep(store.parent / "sweep")
    group = zarr.open_group(store)
    expected = streamkm.sweep(
        group["bands"],
        range(1, 4),
        feature_dim="band",
        sample_weight=group["area"],
        validation=group["bands"],
    )
    for name in ("train_distortion", "validation_distortion"):
        np.testing.assert_array_equal(found[name], expected[name])


def test_a_name_that_is_no_array_is_one_line_before_any_work(store):
    result = fit(store, "--weights", "areas", code=1)
    assert "--weights 'areas': 'areas' is no path, coordinate or array of the data" in result.output
    assert "which have area, by_row, land, lat. Did you mean 'area'?" in result.output
    assert not (store.parent / "model").exists()
    result = run(
        "fit", store.parent / "none", "-k", 2, "-o", store.parent / "m", "--mask", "land", code=1
    )
    assert "none: no such path" in result.output


def test_areas_by_latitude_weigh_a_fit_the_inertia_and_the_shares_of_a_prediction(store):
    group = zarr.open_group(store)
    area = np.broadcast_to(np.cos(np.deg2rad(group["lat"][...]))[:, None], (30, 40)).clip(0)
    expected = fitted(store, sample_weight=area)
    found = json.loads(fit(store, "--weights", "cos(lat)").stdout)
    assert found["inertia"] == expected.inertia_
    model = streamkm.load(store.parent / "model")
    assert np.array_equal(model.counts_, expected.counts_)
    of = ["--variable", "bands", "--feature-dim", "band", "--mask", "land"]
    labels = store.parent / "labels.npy"
    said = run(
        "predict", store.parent / "model", store, *of, "--weights", "cos(lat)", "-o", labels
    ).output
    x, land, of_row = group["bands"][...], group["land"][...], np.load(labels)
    weights = np.bincount(of_row[land], area[land])
    inertia = reference.inertia(x[land], model.cluster_centers_, area[land])
    assert f"{land.sum():,} rows labelled, {(~land).sum():,} left out" in said
    assert f"inertia {inertia:.6g}\n" in said
    assert " ".join(f"{share:.1%}" for share in weights / weights.sum()) in said
    zarr.create_array(store.parent / "none", data=np.zeros((30, 40)))
    more = ["--weights", store.parent / "none", "-o", labels, "--overwrite"]
    assert "shares" not in run("predict", store.parent / "model", store, *of, *more).output


def test_a_stream_is_weighted_and_an_update_adds_rows_with_the_same_weights(store):
    of = ["--variable", "bands", "--feature-dim", "band", "-k", K, "-o", store.parent / "model"]
    run("stream", store, *of, "--weights", "by_row", "--mask", "land")
    group = zarr.open_group(store)
    weights = np.broadcast_to(group["by_row"][...][:, None], (30, 40))[group["land"][...]]
    model = streamkm.load(store.parent / "model")
    assert model.counts_.sum() == pytest.approx(weights.sum())
    assert "nothing new" in run("update", store.parent / "model", store).stderr
    result = run("stream", "-", *of[4:], "--weights", "by_row", code=2)
    assert "--weights is not for -" in result.output


def test_info_shows_the_clusters_of_a_model(store):
    fit(store, "--weights", "area")
    model = streamkm.load(store.parent / "model")
    shown = run("info", store.parent / "model").output
    for number, (count, center) in enumerate(
        zip(model.counts_, model.cluster_centers_, strict=True)
    ):
        line = next(line for line in shown.splitlines() if line.split()[:1] == [str(number)])
        cells = line.split()[1:]
        assert float(cells[0]) == pytest.approx(count, rel=1e-5)
        assert cells[1] == f"{count / model.counts_.sum():.1%}"
        assert [float(cell) for cell in cells[2:]] == pytest.approx(center, rel=1e-3)
