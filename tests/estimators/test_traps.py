"""Causes of labels that could be wrong without an error."""

from __future__ import annotations

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import sklearn
import xarray as xr
import zarr
from sklearn.model_selection import cross_val_score

import streamkm
from streamkm import BisectingKMeans, KMeans, SphericalKMeans
from streamkm.errors import CheckpointError, DataChangedError, DataError, OutputWarning
from streamkm.rows import open_rows
from tests.cli.test_cli import run

RNG = np.random.default_rng(0)
X = RNG.normal(size=(500, 3)) * [1, 5, 50] + 3
LAZY = da.from_array(X, chunks=(100, 3))
UNKNOWN = LAZY[da.ones(500, dtype=bool, chunks=100)]
MODEL = KMeans.from_centroids(X[:3])


@pytest.fixture
def scene():
    return xr.DataArray(
        RNG.normal(size=(3, 20, 30)),
        dims=("band", "y", "x"),
        coords={"band": list("rgb"), "y": np.arange(20.0), "x": np.arange(30.0)},
    )


class TestRowsOfUnknownNumber:
    def test_a_mask_is_cut_as_the_rows_are(self):
        mask = np.zeros(500, bool)
        mask[:60] = True
        for given in (mask, da.from_array(mask, chunks=500), da.from_array(mask, chunks=50)):
            labels = MODEL.predict(UNKNOWN, mask=given).compute()
            assert np.array_equal(labels != 255, mask)

    def test_representatives_have_their_numbers(self):
        want = MODEL.representatives(LAZY, 2)
        assert np.array_equal(MODEL.representatives(UNKNOWN, 2).numbers, want.numbers)

    def test_labels_are_written(self, tmp_path):
        out = MODEL.write_labels(UNKNOWN, tmp_path / "l")
        assert np.array_equal(out[:], MODEL.predict(X))


class TestMasksAndWeights:
    def test_coordinates_must_be_those_of_the_data(self, scene):
        mask = xr.ones_like(scene[0], dtype=bool)
        model = KMeans(2, feature_dim="band", random_state=0)
        with pytest.raises(DataError, match="the coordinates of mask"):
            model.fit(scene, mask=mask[::-1])
        with pytest.raises(DataError, match="the coordinates of sample_weight"):
            model.fit(scene, sample_weight=mask[::-1].astype(float))

    def test_nan_in_a_mask_is_no_row(self):
        mask = np.where(np.arange(500) < 100, 1.0, np.nan)
        assert np.array_equal(MODEL.predict(X, mask=mask) == -1, np.isnan(mask))

    def test_a_mask_is_not_taken_for_weights(self):
        w = da.from_array((np.arange(500) < 250).astype(float), chunks=100)
        model = KMeans(3, random_state=0).fit(LAZY, sample_weight=w)
        masked = model.predict(LAZY, mask=w)
        all_rows, some = dask.compute(model.labels_, masked)
        assert (all_rows != 255).all()
        assert (some == 255).sum() == 250

    def test_transform_takes_the_mask_of_fit(self):
        mask = np.arange(500) < 400
        distances = KMeans(3, random_state=0).fit_transform(X, mask=mask)
        assert np.array_equal(np.isnan(distances).all(axis=1), ~mask)

    def test_what_lies_in_memory_travels_by_block(self, tmp_path, processes):
        store = zarr.create_array(tmp_path / "x", data=X, chunks=(100, 3))
        rows = open_rows(store, mask=np.ones(500, bool), sample_weight=np.ones(500))
        assert rows.to_send.mask is None
        assert rows.to_send.weights is None
        mask, weights = RNG.random(500) < 0.5, RNG.random(500)
        fits = [
            KMeans(3, random_state=0).fit(data, sample_weight=weights, mask=mask)
            for data in (store, X)
        ]
        np.testing.assert_allclose(fits[0].cluster_centers_, fits[1].cluster_centers_, rtol=1e-12)
        with dask.config.set(processes):
            again = KMeans(3, random_state=0).fit(store, sample_weight=weights, mask=mask)
        assert np.array_equal(again.cluster_centers_, fits[0].cluster_centers_)


class TestNodata:
    def test_as_xarray_writes_it_in_zarr_two(self, tmp_path):
        values = RNG.integers(0, 99, (200, 3)).astype("i2")
        values[:20] = -9999
        data = xr.Dataset({"v": (("row", "feature"), values)})
        data["v"].encoding["_FillValue"] = -9999
        data.to_zarr(tmp_path / "v2", zarr_format=2, consolidated=False)
        model = KMeans(2, random_state=0).fit(str(tmp_path / "v2"))
        assert model.cluster_centers_.min() >= 0
        assert (model.labels_.compute()[:20] == 255).all()

    def test_a_datasets_missing_value(self):
        a = xr.DataArray([1, 2, -9999, 4], dims="x", attrs={"missing_value": -9999})
        data = xr.Dataset({"a": a, "b": ("x", [1, 2, 3, 4])})
        assert KMeans(2, random_state=0).fit(data).labels_.values[2] == 255

    @pytest.mark.parametrize("value", [np.iinfo("i8").max, np.iinfo("i8").min])
    def test_whole_numbers_that_are_no_floats(self, value):
        x = RNG.integers(0, 9, (50, 2))
        x[:5] = value
        labels = KMeans(2, random_state=0, nodata=value).fit(x).labels_
        assert (labels == -1).tolist() == [True] * 5 + [False] * 45

    def test_a_number_beyond_the_dtype_is_no_infinity(self):
        x = X.astype("f4")
        x[0, 0] = np.inf
        with pytest.raises(DataError, match="infin"):
            KMeans(2, nodata=1e300).fit(x)

    def test_few_rows_among_many_have_a_robust_scale(self):
        mask = np.zeros(2_000_000, bool)
        mask[[5, 70_000, 200_000, 1_999_999]] = True
        x = RNG.normal(size=(2_000_000, 2))
        model = KMeans(2, random_state=0, scale="robust").fit(x, mask=mask)
        assert set(model.labels_[mask]) == {0, 1}
        assert model.reads_["opening"]["reads"] == 2

    def test_a_sweep_tells_predict(self, tmp_path):
        x = X.astype("f4")
        x[:40] = -9999
        zarr.create_array(tmp_path / "x", data=x, chunks=(100, 3))
        sweep = ["sweep", tmp_path / "x", "-k", "2:3", "-o", tmp_path / "s", "--nodata", "-9999"]
        run(*sweep)
        run("predict", tmp_path / "s", tmp_path / "x", "-k", 3, "-o", tmp_path / "l")
        assert (zarr.open_array(tmp_path / "l")[:] == 255).sum() == 40


class TestNames:
    def test_those_of_features_are_put_in_order(self, scene):
        model = KMeans(2, feature_dim="band", random_state=0).fit(scene)
        assert model.feature_names_in_.tolist() == list("rgb")
        assert model.predict(scene[::-1]).equals(model.labels_)
        with pytest.raises(DataError, match=r"not \['r', 'g', 'b'\]"):
            model.predict(scene.assign_coords(band=list("rgn")))

    def test_numbers_as_names_of_columns(self):
        frame = dd.from_pandas(pd.DataFrame(X), npartitions=3)
        model = KMeans(3, random_state=0).fit(frame)
        assert np.array_equal(model.predict(frame).compute(), model.labels_.compute())

    def test_those_of_clusters_end_with_them(self, tmp_path):
        model = KMeans(2, random_state=0).fit(X)
        model.name_clusters(X[:50], np.where(model.labels_[:50], "a", "b"))
        names = model.cluster_names_.tolist()
        again = model.refit(xr.DataArray(X[::-1], dims=("row", "feature")))
        assert again.labels_.attrs["flag_meanings"] == " ".join(names)
        model.set_params(n_clusters=300).fit(X)
        assert not hasattr(model, "cluster_names_")
        out = model.write_labels(LAZY, tmp_path / "l")
        assert out.dtype == np.uint16
        assert np.array_equal(out[:], model.labels_)

    def test_labelled_rows_may_have_their_dims_in_any_order(self, scene):
        model = KMeans(3, feature_dim="band", random_state=0).fit(scene)
        names = xr.DataArray(np.array(list("ABC"))[model.labels_.values], dims=("y", "x"))
        assert model.name_clusters(scene, names.T).tolist() == ["A", "B", "C"]

    def test_a_refit_needs_the_same_features(self, scene):
        model = KMeans(3, random_state=0).fit(X)
        with pytest.raises(DataError, match="X has 2 features, but the earlier fit had 3"):
            model.refit(X[:, :2])
        data = scene.to_dataset("band")
        by_name = KMeans(3, random_state=0).fit(data)
        labels = by_name.labels_
        assert by_name.refit(data[["b", "r", "g"]]).labels_.equals(labels)


class TestLabelStores:
    def test_lazy_coordinates_are_in_it(self, tmp_path, scene):
        data = scene.assign_coords(lon=(("y", "x"), RNG.uniform(5, 6, (20, 30)))).to_dataset("band")
        data.to_zarr(tmp_path / "src", zarr_format=2, consolidated=False)
        opened = xr.open_zarr(tmp_path / "src", consolidated=False)
        model = KMeans(2, random_state=0).fit(opened)
        labels = model.write_labels(opened, tmp_path / "l")
        assert np.array_equal(labels.lon, data.lon)
        assert set(labels.coords) == {"lon", "y", "x"}
        assert np.array_equal(labels, model.labels_)

    def test_uneven_chunks_do_not_make_a_file_a_row(self, tmp_path):
        x = da.zeros((40_037, 3), chunks=(5000, 3))[37:]
        with pytest.raises(DataError, match=r"x\.rechunk\(\{0: 100_000\}\)"):
            MODEL.write_labels(x, tmp_path / "l")

    def test_the_levels_of_an_index_become_coordinates(self, tmp_path, scene):
        rows = scene.stack(row=("y", "x")).transpose("row", "band")
        model = KMeans(2, random_state=0).fit(rows)
        with pytest.warns(OutputWarning, match=r"index of row \(its levels \['y', 'x'\] are coord"):
            labels = model.write_labels(rows, tmp_path / "l")
        assert set(labels.coords) == {"y", "x"}
        assert np.array_equal(labels.y, rows.y)
        assert np.array_equal(labels, model.labels_)


class TestCheckpoints:
    def fit(self, where, kind=KMeans, data=X, **parameters):
        asked = {"random_state": 0, "checkpoint": where} | parameters
        return kind(3, **asked).fit(data)

    def test_of_another_estimator(self, tmp_path):
        self.fit(tmp_path / "c")
        with pytest.raises(CheckpointError, match="metric was euclidean"):
            self.fit(tmp_path / "c", SphericalKMeans)

    @pytest.mark.parametrize("scale", ["standard", "robust"])
    def test_keep_the_scale_that_was_learned(self, tmp_path, scale):
        x = np.repeat(X, 90, axis=0) + RNG.normal(size=(45_000, 3))
        asked = {"data": x, "scale": scale, "random_state": None, "loss_tol": None}
        first = self.fit(tmp_path / "c", **asked)
        reads = first.n_passes_
        again = self.fit(tmp_path / "c", **asked)
        assert again._scaling == first._scaling
        assert again.inertia_ == first.inertia_ == pytest.approx(-again.score(x), rel=1e-9)
        assert again.n_passes_ <= reads + 1  # labels are read again

    def test_know_what_is_left_out(self, tmp_path):
        store = zarr.create_array(tmp_path / "x", data=X.round(), chunks=(100, 3))
        self.fit(tmp_path / "c", data=store)
        store.attrs["_FillValue"] = 3
        with pytest.raises(DataChangedError, match="missing was None"):
            self.fit(tmp_path / "c", data=store)

    def test_nan_is_equal_to_nan_here(self, tmp_path):
        zarr.create_array(tmp_path / "x", data=X, chunks=(100, 3))
        command = ["fit", tmp_path / "x", "-k", 3, "-o", tmp_path / "m", "--nodata", "nan"]
        for _ in range(2):
            run(*command, "--checkpoint", tmp_path / "c")
        self.fit(tmp_path / "p", nodata=np.nan)
        self.fit(tmp_path / "p", nodata=np.nan)


class TestModels:
    def test_paths_may_be_texts(self, tmp_path):
        KMeans(3, init=list(X[:3]), nodata=np.array([np.nan, -9])).fit(X).save(f"{tmp_path}/m")
        again = streamkm.load(f"{tmp_path}/m")
        x = np.concatenate([[[np.nan, 0, 0], [0, -9, 0]], X])
        assert (again.predict(x)[:2] == -1).all()

    def test_a_fitted_model_as_init_survives_a_clone(self):
        first = KMeans(3, random_state=0).fit(X)
        warm = KMeans(3, init=first)
        assert sklearn.clone(warm).fit(X).n_iter_ <= 2
        assert len(cross_val_score(warm, X, cv=3)) == 3

    def test_known_centroids_of_each_kind(self):
        model = SphericalKMeans(3, random_state=0).fit(X)
        known = SphericalKMeans.from_centroids(5 * model.cluster_centers_)
        assert np.array_equal(known.predict(X), model.labels_)
        assert known.score(X) == pytest.approx(model.score(X))
        with pytest.raises(DataError, match="scale is learned by fit"):
            KMeans.from_centroids(X[:3], scale="standard")
        assert not hasattr(BisectingKMeans, "from_centroids")

    @pytest.mark.parametrize("kind", [KMeans, SphericalKMeans])
    def test_centroids_that_are_set_by_hand_are_used(self, kind):
        scale = {"scale": "standard"} if kind is KMeans else {}
        model = kind(3, random_state=0, **scale).fit(X)
        labels = model.labels_
        model.cluster_centers_ = model.cluster_centers_[::-1].copy()
        assert np.array_equal(model.predict(X), 2 - labels)

    def test_representatives_are_members_of_their_leaf(self):
        model = BisectingKMeans(7, random_state=0).fit(X)
        found = model.representatives(X, 5)
        for cluster, rows in enumerate(found.numbers):
            assert set(model.labels_[rows[rows >= 0]]) <= {cluster}

    def test_repeated_rows_that_round_are_not_split(self):
        x = np.repeat([[1e3 + 0.1], [1e3 + 0.2], [1e3 + 0.7]], 33, axis=0)
        with pytest.raises(DataError, match="fewer distinct rows"):
            BisectingKMeans(4, random_state=0).fit(x)
