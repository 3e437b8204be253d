"""A sweep fits every k and restart in the reads of the slowest fit, and scores every k."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
import zarr
from sklearn.datasets import load_digits
from sklearn.metrics import silhouette_score
from sklearn.preprocessing import scale

import streamkm
from streamkm.errors import DataError, ValidationWarning
from streamkm.fitting import first_state, iterate, restart_seeds
from streamkm.fitting.elbow import find_elbow
from streamkm.models.sweep_model import model_from_sweep
from streamkm.rows import Room, open_rows
from streamkm.updates import AcceleratedUpdate, StopRules
from tests import reference
from tests.conftest import mixture


@pytest.fixture(scope="module")
def digits():
    data = scale(load_digits(n_class=2).data)
    return data[:288], data[288:]


def counting_store(folder, x):
    """A Zarr array and a list that grows by one with every chunk that is read."""
    seen = []

    class Counting(zarr.storage.LocalStore):
        async def get(self, key, *args, **kwargs):
            seen.append(key)
            return await super().get(key, *args, **kwargs)

    array = zarr.create_array(folder / "x.zarr", data=x, chunks=(500, x.shape[1]))
    del array
    return zarr.open_array(Counting(folder / "x.zarr", read_only=True)), seen


@pytest.mark.usefixtures("no_table")
def test_every_fit_is_the_fit_alone_and_all_cost_the_reads_of_the_slowest(blobs):
    found = streamkm.sweep(blobs, [2, 5, 9], n_init=3, init="random", random_state=4)
    rows, reads = open_rows(blobs), []
    for k in (2, 5, 9):
        for restart, seed in enumerate(restart_seeds(4, 3)):
            alone = iterate(
                rows,
                first_state(
                    rows, k, "random", [seed], AcceleratedUpdate(StopRules()), room=Room(0, 0)
                ),
            )
            reads.append(alone.n_passes)
            distortion = found["train_distortion"].sel(n_clusters=k)[restart]
            assert float(distortion) == alone.best.inertia / len(blobs)
            assert found["iterations"].sel(n_clusters=k)[restart] == len(alone.best.history)
    assert found.attrs["n_passes"] == max(reads)


@pytest.mark.usefixtures("no_table")
def test_only_a_coresets_restart_ends_when_a_read_gains_little(blobs):
    """Other restarts start without a search; if they ended early, their spread would be wrong."""
    found = streamkm.sweep(blobs, [12], n_init=4, random_state=1)
    rows = open_rows(blobs)
    for restart, seed in list(enumerate(restart_seeds(1, 4)))[1:]:
        alone = iterate(
            rows,
            first_state(
                rows, 12, "random", [seed], AcceleratedUpdate(StopRules()), room=Room(0, 0)
            ),
        )
        assert float(found["train_distortion"][0, restart]) == alone.best.inertia / len(blobs)
    rules = StopRules(loss_tol="auto")
    assert rules.after("auto", 400).reading_tol == 1e-3
    assert rules.after("auto", 1200).reading_tol == pytest.approx(3e-3)
    assert rules.after("auto", 10**6).reading_tol == 5e-3
    assert (
        rules.after("random", 2).reading_tol is rules.after(np.zeros((2, 2)), 2).reading_tol is None
    )
    assert StopRules(loss_tol=0.5).after("auto", 2) == StopRules(loss_tol=0.5)


@pytest.mark.usefixtures("no_table")
def test_each_stored_chunk_is_read_once_a_read(blobs, tmp_path):
    array, seen = counting_store(tmp_path, blobs)
    held, others = counting_store(tmp_path / "v", blobs[::-1].copy())
    seen.clear()
    others.clear()
    found = streamkm.sweep(array, range(1, 6), n_init=4, validation=held, tol=1e-2)
    chunks = [key for key in seen if key.startswith("c/")]
    assert len(chunks) == 10 * found.attrs["n_passes"]
    assert len([key for key in others if key.startswith("c/")]) == 10


def test_few_distinct_rows_take_one_read(pixels):
    found = streamkm.sweep(pixels, range(1, 8), n_init=5)
    assert found.attrs["n_passes"] == 1
    assert json.loads(found.attrs["reads"]) == {"seeding": {"reads": 1, "bytes": pixels.nbytes}}


def test_the_assignments_experiment(digits):
    """Train and validation loss for k = 1..20, 20 runs each; k=1 has one solution."""
    train, validation = digits
    found = streamkm.sweep(
        train, range(1, 21), n_init=20, validation=validation, max_iter=50, tol=0, loss_tol=1e-5
    )
    total = found["train_mean"].values * len(train)
    held = found["validation_mean"].values * len(validation)
    assert total[0] == pytest.approx(15_343.135, abs=1e-3)
    assert held[0] == pytest.approx(3_395.669, abs=1e-3)
    np.testing.assert_allclose(total[1:4], [11_235, 9_774, 9_193], rtol=0.06)
    np.testing.assert_allclose(held[1:4], [2_642, 2_374, 2_219], rtol=0.06)
    assert found["train_distortion"].shape == (20, 20)
    assert found["train_spread"][0] < 1e-9 < found["train_spread"][3]


def test_what_is_kept_of_each_k_is_its_best(digits):
    train, validation = digits
    found = streamkm.sweep(train, [1, 4, 7], n_init=6, validation=validation)
    for k in (1, 4, 7):
        one = found.sel(n_clusters=k)
        centroids = streamkm.centroids_of(found, k)
        assert centroids.shape == (k, 64)
        assert reference.inertia(train, centroids) / len(train) == pytest.approx(
            float(one["train_min"])
        )
        best = int(one["train_distortion"].values.argmin())
        assert reference.inertia(validation, centroids) / len(validation) == pytest.approx(
            float(one["validation_distortion"][best])
        )
        history = one["history"].values[: int(one["iterations"][best])]
        assert (np.diff(history) <= 1e-9).all()
        assert np.isnan(one["centroids"].values[k:]).all()
    with pytest.raises(DataError, match=r"no k=3; it has \[1 4 7\]"):
        streamkm.centroids_of(found, 3)


def test_scores_agree_on_clear_clusters():
    x = mixture(2000, 2, 5, seed=8) * np.float32(3)
    found = streamkm.sweep(x, range(1, 10), n_init=8)
    assert found.attrs["elbow"] == 5
    assert found.attrs["verdict"].startswith("elbow at k=5")
    ks = found["n_clusters"].values
    assert ks[np.nanargmax(found["silhouette"].values)] == 5
    assert ks[np.nanargmax(found["calinski_harabasz"].values)] == 5
    assert ks[np.nanargmin(found["davies_bouldin"].values)] == 5


def test_the_silhouette_counts_rows_that_repeat():
    """Compare with scikit-learn on two points of 450 equal rows each and 100 rows around them."""
    rng = np.random.default_rng(0)
    x = np.concatenate([np.zeros((450, 2)), np.full((450, 2), 10), rng.random((100, 2)) * 10])
    found = streamkm.sweep(x, [2])
    labels = reference.labels(x, streamkm.centroids_of(found, 2))
    assert float(found["silhouette"][0]) == pytest.approx(silhouette_score(x, labels))
    weighted = streamkm.sweep(
        np.unique(x, axis=0), [2], sample_weight=np.unique(x, axis=0, return_counts=True)[1]
    )
    assert float(weighted["silhouette"][0]) == pytest.approx(silhouette_score(x, labels), abs=0.1)


def test_as_many_clusters_as_rows_hide_no_elbow():
    x = np.repeat([[0.0, 0], [90, 0], [0, 90]], 4, axis=0)
    x = x + np.random.default_rng(0).normal(size=x.shape)
    for last in (7, 11, 12):
        assert streamkm.sweep(x, range(1, last + 1)).attrs["elbow"] == 3


@pytest.mark.parametrize(
    "arguments",
    [
        {"n_init": 0},
        {"max_iter": 0},
        {"tol": -1},
        {"silhouette_rows": -1},
        {"n_init": 1.5},
        {"loss_tol": "x"},
    ],
)
def test_parameters_are_checked_before_any_read(blobs, arguments):
    with pytest.raises((ValueError, TypeError), match=next(iter(arguments))):
        streamkm.sweep(blobs, [2], **arguments)


def test_random_states_are_scikit_learns(blobs):
    for state in (None, np.random.RandomState(0)):
        assert streamkm.sweep(blobs, [2, 3], random_state=state).sizes["n_clusters"] == 2
    assert streamkm.sweep(blobs, 5)["n_clusters"].values.tolist() == [5]


@pytest.mark.parametrize("d", [1, 2, 8])
def test_noise_has_no_clear_elbow(d):
    found = streamkm.sweep(np.random.default_rng(d).random((4000, d)), range(1, 13))
    assert found.attrs["elbow"] == 0
    assert found.attrs["verdict"].startswith("no clear elbow (the strongest is k=")


def test_a_power_law_has_no_elbow_and_a_flat_tail_has_one():
    k = np.arange(1, 15)
    assert find_elbow(k, 100.0 / k).strength == pytest.approx(0, abs=1e-9)
    bent = np.where(k < 6, 100.0 / k**2, 100 / 36)
    assert find_elbow(k, bent).n_clusters == 6
    assert find_elbow(k, bent).strength == 1
    assert not find_elbow([1, 2], [5, 1]).clear
    assert find_elbow([1, 2, 3], [5, 0, 0]).n_clusters == 2
    assert find_elbow([1, 2, 3], [0, 0, 0]).strength == 0


def test_weights_count_as_repeats(blobs):
    times = np.arange(len(blobs)) % 3
    weighted = streamkm.sweep(blobs, [1, 3], sample_weight=times.astype(float))
    repeated = streamkm.sweep(np.repeat(blobs, times, axis=0), [1, 3])
    for name in ("train_min", "calinski_harabasz", "davies_bouldin"):
        np.testing.assert_allclose(weighted[name], repeated[name], err_msg=name)


def four_squares():
    centres = np.array([[0, 0], [50, 0], [0, 50], [50, 50]])
    return np.repeat(centres, 15, axis=0) + np.random.default_rng(2).normal(size=(60, 2))


@pytest.mark.parametrize("unit", [1e-6, 0.1, 1.0, 1000.0])
@pytest.mark.parametrize("silhouette_rows", [0, 100])
def test_the_elbow_does_not_depend_on_the_unit_of_the_weights(unit, silhouette_rows):
    x = four_squares()
    weights = np.random.default_rng(0).uniform(0.5, 1.5, len(x))
    want = streamkm.sweep(x, range(1, 10), silhouette_rows=silhouette_rows)
    found = streamkm.sweep(
        x, range(1, 10), sample_weight=weights * unit, silhouette_rows=silhouette_rows
    )
    same = streamkm.sweep(x, range(1, 10), sample_weight=np.full(len(x), unit))
    assert found.attrs["elbow"] == want.attrs["elbow"] == 4
    assert found.attrs["verdict"].startswith("elbow at k=4 (strength 0.9")
    assert same.attrs["elbow_strength"] == pytest.approx(want.attrs["elbow_strength"])
    assert np.isnan(found["silhouette"].values).all() == (silhouette_rows == 0)


def test_rows_of_no_weight_are_no_rows_of_the_elbow():
    x = four_squares()
    more = np.concatenate([x, np.zeros((500, 2), x.dtype)])
    weights = np.repeat([0.25, 0.0], [60, 500])
    found = streamkm.sweep(more, range(1, 10), sample_weight=weights)
    want = streamkm.sweep(x, range(1, 10))
    assert found.attrs["elbow_strength"] == pytest.approx(want.attrs["elbow_strength"])


def test_validation_data_that_cannot_be_used_do_not_cost_the_sweep(blobs):
    with pytest.warns(ValidationWarning, match="the sweep continues without them: .* 5 bad rows"):
        found = streamkm.sweep(blobs, [2, 3], validation=np.full((5, 6), np.nan))
    assert "validation_mean" not in found
    assert found["train_min"].notnull().all()


def test_the_first_restart_of_each_k_is_a_good_one():
    """Seven distinct clusters, which random rows miss in most restarts."""
    x = mixture(3000, 8, 7, seed=3) * np.float32(4)
    for n_init in (1, 2, 5):
        found = streamkm.sweep(x, range(1, 11), n_init=n_init)
        assert found.attrs["elbow"] == 7
    assert (found["train_distortion"][6] > 1.5 * found["train_min"][6]).any()


@pytest.mark.parametrize("damaged", [{"init": "auto"}, "{", "3", None])
def test_parameters_that_are_no_text_are_one_error(blobs, tmp_path, damaged):
    found = streamkm.sweep(blobs, [1, 2])
    found.attrs["parameters"] = damaged
    found.to_zarr(tmp_path / "s.zarr", zarr_format=3, consolidated=False)
    with pytest.raises(DataError, match=r"'parameters' of .* (is not a JSON text|is a \w+, which)"):
        model_from_sweep(tmp_path / "s.zarr", 2)


def test_it_survives_a_store(blobs, tmp_path):
    found = streamkm.sweep(blobs, [1, 2, 3])
    found.to_zarr(tmp_path / "s.zarr", zarr_format=3, consolidated=False)
    back = xr.open_zarr(tmp_path / "s.zarr", consolidated=False).load()
    xr.testing.assert_equal(found, back)
    assert back.attrs["verdict"] == found.attrs["verdict"]
    assert back.attrs == found.attrs


@pytest.mark.parametrize("named", [False, True])
def test_it_survives_a_netcdf_file(blobs, tmp_path, named):
    """Without a clear elbow, with and without names of features."""
    data = xr.DataArray(blobs, dims=("row", "band"), coords={"band": list("abcdef")})
    found = streamkm.sweep(data if named else blobs, [1, 2])
    assert found.attrs["elbow"] == 0
    found.to_netcdf(tmp_path / "s.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "s.nc", engine="h5netcdf") as back:
        xr.testing.assert_equal(found, back.load())
    for name in ("reads", "parameters", "versions"):
        assert json.loads(back.attrs[name]) == json.loads(found.attrs[name])
    assert back.attrs["elbow"] == 0
    assert streamkm.centroids_of(back, 2).tolist() == streamkm.centroids_of(found, 2).tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_clusters": []}, "give increasing integers of 1 or more"),
        ({"n_clusters": [3, 2]}, "give increasing integers of 1 or more"),
        ({"n_clusters": [0, 2]}, "give increasing integers of 1 or more"),
        ({"n_clusters": [2.7, 3.2]}, "give increasing integers of 1 or more"),
        ({"n_clusters": [2], "validation": np.ones((5, 3))}, "3 features, but the data have 6"),
        ({"n_clusters": [5001]}, "n_samples=5000 should be >= n_clusters=5001"),
    ],
)
def test_bad_wishes_are_refused(blobs, arguments, message):
    with pytest.raises(DataError, match=message):
        streamkm.sweep(blobs, **arguments)
