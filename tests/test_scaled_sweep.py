"""A sweep with a scale: one more read for all fits, and the labels of `KMeans` with that scale."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
import zarr
from click.testing import CliRunner

import streamkm
import streamkm.xarray
from streamkm.cli import main
from streamkm.errors import CheckpointError, DataError
from streamkm.fitting import first_state, iterate, learn_scaling, restart_seeds
from streamkm.models.sweep_model import model_from_sweep
from streamkm.rows import Room, open_rows
from streamkm.updates import AcceleratedUpdate, StopRules
from tests.conftest import mixture

UNITS = np.array([1.0, 1e3, 1e-3, 7.0])


@pytest.fixture(scope="module")
def uneven():
    """Rows whose features have units of very different sizes."""
    return mixture(2000, 4, 6, seed=5).astype(np.float64) * UNITS + UNITS


def standardised(x):
    return (x - x.mean(axis=0)) / x.std(axis=0)


def inertia(x, centroids):
    return np.square(x[:, None] - centroids).sum(axis=2).min(axis=1).sum()


@pytest.mark.usefixtures("no_table")
@pytest.mark.parametrize("how", ["standard", "robust"])
def test_every_fit_is_the_fit_alone_and_the_scale_takes_one_read(uneven, how):
    found = streamkm.sweep(uneven, [2, 7], n_init=2, init="random", random_state=4, scale=how)
    rows, reads = learn_scaling(open_rows(uneven), how), []
    for k in (2, 7):
        for restart, seed in enumerate(restart_seeds(4, 2)):
            update = AcceleratedUpdate(StopRules())
            state = first_state(rows, k, "random", [seed], update, room=Room(0, 0))
            alone = iterate(rows, state)
            reads.append(alone.n_passes)
            distortion = found["train_distortion"].sel(n_clusters=k)[restart]
            assert float(distortion) == alone.best.inertia / len(uneven)
    assert found.attrs["n_passes"] == max(reads)
    assert json.loads(found.attrs["reads"])["opening"]["reads"] == 1


def test_distortions_are_of_scaled_rows_also_those_of_the_validation_data(uneven):
    train, held = uneven[:1500], uneven[1500:]
    found = streamkm.sweep(train, [1, 6], validation=held, scale="standard")
    scaled = standardised(train)
    as_train = (held - train.mean(axis=0)) / train.std(axis=0)
    for place, k in enumerate((1, 6)):
        centroids = streamkm.centroids_of(found, k)  # in units of the data
        own = (centroids - train.mean(axis=0)) / train.std(axis=0)
        for x, name in ((scaled, "train_min"), (as_train, "validation_min")):
            assert float(found[name][place]) == pytest.approx(inertia(x, own) / len(x))


@pytest.mark.parametrize("origin", [0.0, 1e12])
def test_a_fit_from_its_centroids_and_its_estimator_label_alike(uneven, tmp_path, origin):
    """Also where the rows are shifted before they are scaled."""
    x = uneven / UNITS + origin
    found = streamkm.sweep(x, [3, 6], scale="standard", tol=0, loss_tol=0)
    found.to_zarr(tmp_path / "s", zarr_format=3, consolidated=False)
    found.to_netcdf(tmp_path / "s.nc", engine="h5netcdf")
    again = xr.open_dataset(tmp_path / "s.nc", engine="h5netcdf")
    want = streamkm.KMeans(6, init=streamkm.centroids_of(found, 6), scale="standard").fit(x)
    for known in (found, again, tmp_path / "s"):
        model = streamkm.load(known, 6)
        assert model.scale == "standard"
        np.testing.assert_array_equal(model.predict(x), want.labels_)
    again.close()
    with pytest.raises(DataError, match="n_clusters is missing"):
        streamkm.load(found)


def test_the_command_writes_the_scale_and_predict_uses_it(uneven, tmp_path):
    zarr.create_array(tmp_path / "x", data=uneven, chunks=(500, 4))

    def run(*words):
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exit_code == 0, result.output
        return result.output

    out = tmp_path / "s"
    text = run("sweep", tmp_path / "x", "-k", "2,7", "--scale", "standard", "-o", out)
    assert "distortions and scores refer to scaled features (scale=standard)" in text
    assert text.count("scaled features") == 1
    run("predict", out, tmp_path / "x", "-k", 7, "-o", tmp_path / "l")
    init = streamkm.centroids_of(out, 7)
    np.testing.assert_array_equal(
        zarr.open_array(tmp_path / "l")[:], streamkm.load(out, 7).predict(uneven)
    )
    unscaled = streamkm.KMeans.from_centroids(init).predict(uneven)
    assert (zarr.open_array(tmp_path / "l")[:] != unscaled).any()
    words = ["sweep", tmp_path / "x", "-k", "2", "-o", tmp_path / "new", "--dry-run", "--json"]
    plain, scaled = json.loads(run(*words)), json.loads(run(*words, "--scale", "robust"))
    assert scaled["reads_seeding"] == plain["reads_seeding"] + (plain["cached_bytes"] is None)


def test_a_weight_of_two_is_a_row_twice(uneven):
    times = 1 + np.arange(len(uneven)) % 2
    weighted = streamkm.sweep(uneven, [1, 3], sample_weight=times.astype(float), scale="standard")
    repeated = streamkm.sweep(np.repeat(uneven, times, axis=0), [1, 3], scale="standard")
    for name in ("train_min", "scaling_center", "scaling_factor"):
        np.testing.assert_allclose(weighted[name], repeated[name], rtol=1e-9, err_msg=name)
    own, same = (np.sort(streamkm.centroids_of(found, 3), 0) for found in (weighted, repeated))
    np.testing.assert_allclose(own, same, rtol=1e-9)


@pytest.mark.usefixtures("no_table")
def test_a_killed_sweep_resumes_with_the_same_scale(uneven, tmp_path, monkeypatch):
    monkeypatch.setattr("streamkm.rows.opened._SMALLEST_NBYTES", 1)
    monkeypatch.setattr("streamkm.engine.schedule._ENOUGH", 3)
    zarr.create_array(tmp_path / "x", data=uneven, chunks=(100, 4))
    data, how = str(tmp_path / "x"), {"n_init": 2, "max_iter": 4, "tol": 0, "scale": "standard"}
    states = []
    expected = streamkm.sweep(data, [2, 5], watch=states.append, **how)

    class Killed(Exception):
        pass

    for moment in (0, len(states) // 2, len(states) - 1):
        seen = []

        def kill(state, seen=seen, moment=moment):
            seen.append(state)
            if len(seen) == moment + 1:
                raise Killed

        saved = {"checkpoint": tmp_path / f"{moment}", "checkpoint_every": 0}
        with pytest.raises(Killed):
            streamkm.sweep(data, [2, 5], watch=kill, **how, **saved)
        found = streamkm.sweep(data, [2, 5], **how, **saved)
        xr.testing.assert_identical(found.drop_attrs(), expected.drop_attrs())
        assert {**found.attrs, "fit": ""} == {**expected.attrs, "fit": ""}
    for other in ("robust", None):
        with pytest.raises(CheckpointError, match=f"scale was standard, is now {other}"):
            streamkm.sweep(data, [2, 5], **(how | {"scale": other}), **saved)


def test_the_accessor_passes_the_scale(uneven):
    data = xr.Dataset({name: ("time", uneven[:, n]) for n, name in enumerate("abcd")})
    found = data.streamkm.sweep([1, 2], scale="robust")
    want = streamkm.sweep(uneven, [1, 2], scale="robust")
    np.testing.assert_array_equal(found["train_min"], want["train_min"])
    with pytest.raises(ValueError, match="scale='unit'; use 'standard', 'robust' or None"):
        data.streamkm.sweep([1, 2], scale="unit")


@pytest.mark.parametrize("part", ["scaling_center", "scaling_factor", "scaled_centroids"])
def test_a_sweep_without_a_part_of_its_scale_labels_nothing(uneven, tmp_path, part):
    found = streamkm.sweep(uneven, [2], scale="standard")
    with pytest.raises(DataError, match=f"lacks .*'{part}'"):
        model_from_sweep(found.drop_vars(part), 2)
    damaged = found.assign({part: found[part] * 0 + 3})
    with pytest.raises(DataError, match="do not belong together"):
        model_from_sweep(damaged, 2)
