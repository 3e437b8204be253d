"""Features are matched by name, for every kind of data with names."""

from __future__ import annotations

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr
import zarr

import streamkm
from streamkm import BisectingKMeans, KMeans, SphericalKMeans
from streamkm.errors import DataError, StreamkmWarning
from streamkm.rows import coordinates, open_rows

NAMES = ["red", "green", "blue"]
RNG = np.random.default_rng(0)
# The features differ in scale, so that a wrong order gives wrong labels.
X = (RNG.integers(5, size=(600, 3)) * [10.0, 100.0, 1.0] + RNG.normal(size=(600, 3))).astype("f4")
ORDER = [2, 0, 1]
SHUFFLED = [NAMES[place] for place in ORDER]


def table_store(path, values, names):
    array = zarr.create_array(
        path, data=values, chunks=(100, 3), dimension_names=("row", "feature"), overwrite=True
    )
    array.attrs["columns"] = list(names)
    return path


def cube(values, names):
    """(band, y, x), 20 by 30."""
    return xr.DataArray(
        values.T.reshape(len(names), 20, 30), dims=("band", "y", "x"), coords={"band": names}
    )


def cube_store(path, values, names, **options):
    cube(values, names).to_dataset(name="pixels").chunk(y=5).to_zarr(path, **options)
    return path


def scene(values, names, numbers=None):
    """A scene like a GeoTIFF with descriptions that rioxarray opened."""
    array = cube(values, numbers or [1, 2, 3])
    return array.assign_attrs(long_name=tuple(names))


KINDS = {
    "pandas": lambda x, names, _: pd.DataFrame(x, columns=names),
    "polars": lambda x, names, _: pl.DataFrame(dict(zip(names, x.T, strict=True))),
    "Dask frame": lambda x, names, _: dd.from_pandas(pd.DataFrame(x, columns=names), 3),
    "DataArray": lambda x, names, _: xr.DataArray(x, dims=("n", "f"), coords={"f": names}),
    "lazy DataArray": lambda x, names, _: xr.DataArray(
        da.from_array(x, chunks=(100, 2)), dims=("n", "f"), coords={"f": names}
    ),
    "Dataset": lambda x, names, _: xr.Dataset(
        {name: ("n", column) for name, column in zip(names, x.T, strict=True)}
    ),
    "path": lambda x, names, folder: str(table_store(folder / "-".join(names), x, names)),
    "zarr.Array": lambda x, names, folder: zarr.open_array(
        table_store(folder / "-".join(names), x, names), mode="r"
    ),
}


CASES = [(KMeans, kind) for kind in KINDS]
CASES += [(estimator, "path") for estimator in (SphericalKMeans, BisectingKMeans)]


@pytest.mark.parametrize(("estimator", "kind"), CASES)
def test_the_same_names_in_another_order_are_put_in_order(kind, estimator, tmp_path):
    data = KINDS[kind](X, NAMES, tmp_path)
    other = KINDS[kind](X[:, ORDER], SHUFFLED, tmp_path)
    model = estimator(4, random_state=0).fit(data)
    assert model.feature_names_in_.tolist() == NAMES
    want = np.asarray(model.labels_)
    assert np.array_equal(want, estimator(4, random_state=0).fit(X).labels_)
    assert np.array_equal(np.asarray(model.predict(other)), want)
    assert np.array_equal(np.asarray(model.transform(other)), np.asarray(model.transform(data)))
    assert model.score(other) == model.score(data)
    near = model.representatives(other)
    assert np.array_equal(near.values, model.representatives(data).values)


@pytest.mark.parametrize("kind", KINDS)
def test_other_names_and_names_that_occur_twice_are_refused(kind, tmp_path):
    model = KMeans(4, random_state=0).fit(KINDS[kind](X, NAMES, tmp_path))
    with pytest.raises(DataError, match="blue"):
        model.predict(KINDS[kind](X, ["red", "green", "swir"], tmp_path))
    if kind not in ("polars", "Dataset"):  # these cannot have two columns of the same name
        with pytest.raises(DataError, match="the name 'red' more than once"):
            model.predict(KINDS[kind](X, ["red", "red", "blue"], tmp_path))


def test_the_variables_of_the_fit_are_taken_from_a_larger_dataset(tmp_path):
    data = KINDS["Dataset"](X, NAMES, tmp_path)
    more = KINDS["Dataset"](X[:, [0, 0, 1, 2]], ["swir", *NAMES], tmp_path)
    model = KMeans(4, random_state=0).fit(data)
    assert np.array_equal(model.predict(more), model.predict(data))
    assert model.score(more) == model.score(data)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"Dataset"}))
def test_further_features_are_refused_with_how_to_select(kind, tmp_path):
    data = KINDS[kind](X, NAMES, tmp_path)
    more = KINDS[kind](X[:, [0, 1, 2, 0]], [*NAMES, "swir"], tmp_path)
    said = r"with \['swir'\]. Select .* data\[\['red', 'green', 'blue'\]\]"
    model = KMeans(4, random_state=0).fit(data)
    for answer in (model.predict, model.transform, model.score, model.representatives):
        with pytest.raises(DataError, match=said):
            answer(more)
    with pytest.raises(DataError, match=said):
        model.refit(more)
    with pytest.raises(DataError, match=said):
        streamkm.sweep(data, [2], validation=more)
    with pytest.raises(DataError, match=r"with \['swir'\]. Give the same features"):
        KMeans(4, init=KMeans(4, random_state=0).fit(more)).fit(data)


@pytest.mark.parametrize("kind", KINDS)
def test_data_without_names_go_by_position(kind, tmp_path):
    model = KMeans(4, random_state=0).fit(KINDS[kind](X, NAMES, tmp_path))
    lazy = da.from_array(X, chunks=(200, 3))
    assert np.array_equal(model.predict(lazy).compute(), np.asarray(model.labels_))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        assert np.array_equal(model.predict(X), np.asarray(model.labels_))


@pytest.mark.parametrize("kind", KINDS)
def test_validation_data_of_a_sweep_are_put_in_order(kind, tmp_path):
    data = KINDS[kind](X, NAMES, tmp_path)
    other = KINDS[kind](X[:, ORDER], SHUFFLED, tmp_path)
    found = streamkm.sweep(data, [2, 4], validation=other)
    assert np.allclose(found["validation_min"], found["train_min"], rtol=1e-9)
    assert found.attrs["features"] == NAMES
    with pytest.raises(DataError, match="swir"):
        streamkm.sweep(data, [2], validation=KINDS[kind](X, ["red", "swir", "blue"], tmp_path))


@pytest.mark.parametrize("kind", KINDS)
def test_a_refit_takes_the_same_features_in_any_order(kind, tmp_path):
    model = KMeans(4, random_state=0).fit(KINDS[kind](X, NAMES, tmp_path))
    labels, centroids = np.asarray(model.labels_), model.cluster_centers_
    model.refit(KINDS[kind](X[:, ORDER], SHUFFLED, tmp_path))
    assert model.feature_names_in_.tolist() == NAMES
    assert np.array_equal(np.asarray(model.labels_), labels)
    assert np.allclose(model.cluster_centers_, centroids)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fitted_model_as_init_starts_from_its_own_centroids(kind, tmp_path):
    model = KMeans(4, random_state=0).fit(KINDS[kind](X, NAMES, tmp_path))
    again = KMeans(4, init=model).fit(KINDS[kind](X[:, ORDER], SHUFFLED, tmp_path))
    assert again.feature_names_in_.tolist() == SHUFFLED
    assert again.n_iter_ == 1
    assert np.allclose(again.cluster_centers_, model.cluster_centers_[:, ORDER])
    with pytest.raises(DataError, match="swir"):
        KMeans(4, init=model).fit(KINDS[kind](X, ["red", "swir", "blue"], tmp_path))


@pytest.mark.parametrize("feature_dim", [None, 1, -1, ["f"], "f", ("f",)])
def test_a_data_arrays_names_count_however_its_dimension_is_named(feature_dim):
    data = xr.DataArray(X, dims=("n", "f"), coords={"f": NAMES})
    model = KMeans(4, feature_dim=feature_dim, random_state=0).fit(data)
    assert model.feature_names_in_.tolist() == NAMES
    assert model.predict(data[:, ORDER]).equals(model.labels_)


@pytest.mark.parametrize("frame", [KINDS["pandas"], KINDS["polars"]])
def test_a_tables_names_count_where_its_feature_dimension_is_numbered(frame):
    model = KMeans(4, feature_dim=1, random_state=0).fit(frame(X, NAMES, None))
    assert np.array_equal(model.predict(frame(X[:, ORDER], SHUFFLED, None)), model.labels_)


def test_several_feature_dimensions_have_a_name_for_each_pair():
    values = RNG.normal(size=(200, 2, 3)) * [[[1], [50]]]
    data = xr.DataArray(
        values, dims=("n", "band", "month"), coords={"band": ["a", "b"], "month": [1, 2, 3]}
    )
    model = KMeans(3, feature_dim=("band", "month"), random_state=0).fit(data)
    assert model.feature_names_in_.tolist() == [f"{b}, {m}" for b in "ab" for m in (1, 2, 3)]
    assert model.predict(data[:, ::-1, ::-1]).equals(model.labels_)
    without = data.drop_vars("month")
    model = KMeans(3, feature_dim=("band", "month"), random_state=0).fit(without)
    assert model.predict(without[:, ::-1]).equals(model.labels_)


@pytest.mark.parametrize(
    "options",
    [
        {"zarr_format": 3, "consolidated": False},
        {"zarr_format": 2, "consolidated": False},
        {"zarr_format": 2, "consolidated": True},
    ],
)
@pytest.mark.parametrize("names", [NAMES, [30, 20, 10], [0.49, 0.56, 0.66]])
@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
def test_a_stores_coordinates_are_its_names(options, names, tmp_path):
    other = [names[place] for place in ORDER]
    one = cube_store(tmp_path / "one", X, names, **options)
    two = cube_store(tmp_path / "two", X[:, ORDER], other, **options)
    model = KMeans(4, feature_dim="band", random_state=0).fit(str(one))
    assert model.feature_names_in_.tolist() == [str(name) for name in names]
    want = model.labels_.compute()
    in_memory = cube(X[:, ORDER], other)
    assert np.array_equal(model.predict(in_memory), want)
    for data in (two, f"{two}/pixels", zarr.open_group(two, mode="r")["pixels"]):
        assert np.array_equal(model.predict(data).compute(), want)


def test_times_have_one_name_in_a_store_and_in_memory(tmp_path):
    times = np.array(["2020-01-03", "2020-02-01", "2020-01-01"], "M8[ns]")
    data = xr.DataArray(X, dims=("n", "time"), coords={"time": times}, name="x")
    data.to_dataset().to_zarr(tmp_path / "x", consolidated=False)
    model = KMeans(4, random_state=0).fit(data.sortby("time"))
    assert model.feature_names_in_.tolist()[0] == "2020-01-01T00:00:00"
    assert np.array_equal(model.predict(tmp_path / "x").compute(), model.labels_)
    seconds = data.assign_coords(time=times.astype("M8[s]"))
    assert np.array_equal(model.predict(seconds), model.labels_)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (np.array([450, 550, 650]), np.array([450.0, 550.0, 650.0])),
        (np.array([0.1, 0.2, 0.3], "f4"), np.array([0.1, 0.2, 0.3], "f4").astype("f8")),
        (np.array([0.1 + 0.2, 0.5, 0.6]), np.array([0.3, 0.5, 0.6])),
        (np.array([0, 1, 2]), np.array([0.0, 1.0, 2.0])),
        (np.array(["1950", "1960-02", "2020-03-04T05"], "M8[s]"),) * 2,
        (np.array([1, 2, 12], "m8[h]").astype("m8[s]"), np.array([1, 2, 12], "m8[h]")),
    ],
)
@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.filterwarnings("ignore:.*timedelta:FutureWarning")
@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
def test_numbers_and_times_that_are_equal_are_the_same_names(one, two, stored, tmp_path):
    def rows(labels):
        return xr.DataArray(X, dims=("n", "f"), coords={"f": labels}, name="x")

    for first, second in ((one, two), (two, one)):
        model = KMeans(4, random_state=0).fit(rows(first))
        other = rows(second).isel(f=ORDER)
        if stored:
            other.to_dataset().to_zarr(tmp_path / "x", consolidated=False, mode="w")
            other = tmp_path / "x"
        assert np.array_equal(np.asarray(model.predict(other)), model.labels_)


def test_numbers_of_several_feature_dimensions_are_compared_each():
    values = RNG.normal(size=(200, 2, 3)) * [[[1], [50]]]
    data = xr.DataArray(values, dims=("n", "band", "wave"), coords={"band": ["a", "b"]})
    one = data.assign_coords(wave=[450, 550, 650])
    other = data.assign_coords(wave=[450.0, 550.0, 650.0])[:, ::-1, ::-1]
    model = KMeans(3, feature_dim=("band", "wave"), random_state=0).fit(one)
    assert np.array_equal(model.predict(other), model.labels_)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ([0.3, 0.5, 0.6], [0.3, 0.5, 0.61]),
        ([2**60 + 1, 2, 3], [2**60, 2, 3]),
        ([1.7e9, 1.7e9 + 1, 1.7e9 + 2], [1.7e9 + 1, 1.7e9 + 2, 1.7e9 + 3]),
        ([2400000.5, 2400001.5, 2400002.5], [2400000.4, 2400001.4, 2400002.4]),
        (np.array(["2020-01", "2020-02", "2020-03"], "M8[s]"),) * 2,
    ],
)
def test_other_numbers_are_refused_and_the_way_out_works(one, two):
    data = xr.DataArray(X, dims=("n", "f"), coords={"f": one})
    if one is two:  # the same months of another year
        two = two + np.timedelta64(366, "D")
    other = data.assign_coords(f=two)
    model = KMeans(4, random_state=0).fit(data)
    with pytest.raises(DataError, match="drop the coordinate"):
        model.predict(other)
    assert np.array_equal(model.predict(other.drop_vars("f")), model.labels_)


def test_descriptions_of_bands_are_names_also_of_a_selection():
    model = KMeans(4, feature_dim="band", random_state=0).fit(scene(X, NAMES))
    assert model.feature_names_in_.tolist() == NAMES
    assert model.predict(scene(X[:, ORDER], SHUFFLED)).equals(model.labels_)
    # Selecting bands does not change the attribute, so the band number selects the name.
    turned = scene(X, NAMES).isel(band=ORDER)
    assert model.predict(turned).equals(model.labels_)
    # Scenes without descriptions only number their bands.
    assert np.array_equal(model.predict(cube(X, [1, 2, 3])), model.labels_)


@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
@pytest.mark.parametrize("write", [pd.DataFrame.to_csv, pd.DataFrame.to_parquet])
def test_a_selection_of_an_ingested_table_takes_its_names_along(write, tmp_path):
    write(pd.DataFrame(X, columns=NAMES), tmp_path / f"x.{write.__name__[3:]}", index=False)
    streamkm.ingest(tmp_path / f"x.{write.__name__[3:]}", tmp_path / "x", dtype="float32")
    array = xr.open_zarr(tmp_path / "x", consolidated=False)["x"]
    model = KMeans(4, random_state=0).fit(array)
    assert model.feature_names_in_.tolist() == NAMES
    turned = array.isel(feature=ORDER)
    want = np.asarray(model.labels_)
    assert np.array_equal(np.asarray(model.predict(turned)), want)
    turned.to_dataset().to_zarr(tmp_path / "turned", consolidated=False)
    for path in ("x", "turned"):
        assert np.array_equal(model.predict(tmp_path / path).compute(), want)


def test_names_that_do_not_follow_a_selection_are_not_read():
    data = xr.DataArray(X, dims=("n", "f"))
    for attributes in ({"columns": NAMES}, {"long_name": tuple(NAMES)}):
        model = KMeans(4, random_state=0).fit(data.assign_attrs(attributes))
        assert not hasattr(model, "feature_names_in_")


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"polars", "Dataset"}))
@pytest.mark.parametrize("estimator", [KMeans, SphericalKMeans, BisectingKMeans])
def test_a_fit_refuses_names_that_occur_twice(kind, estimator, tmp_path):
    data = KINDS[kind](X, ["red", "red", "blue"], tmp_path)
    with pytest.raises(DataError, match=r"the name 'red' more than once"):
        estimator(4).fit(data)


def test_a_sweep_and_numbered_feature_dimensions_refuse_them_too():
    with pytest.raises(DataError, match="450.0' more than once"):
        streamkm.sweep(cube(X, [450.0, 450.0, 550.0]), [2], feature_dim="band")
    table = pd.DataFrame(X[:, [0, 1, 2, 0]], columns=["red", "blue", "red", "blue"])
    with pytest.raises(DataError, match="the names 'red' and 'blue' more than once"):
        KMeans(4, feature_dim=1).fit(table)


def test_the_order_is_a_view_where_there_is_none_and_the_block_a_copy_else(tmp_path):
    path = table_store(tmp_path / "x", X, NAMES)
    same, other = open_rows(path, names=NAMES), open_rows(path, names=SHUFFLED)
    assert same.layout.order is None
    assert other.layout.order == (2, 0, 1)
    assert other.layout.names == tuple(SHUFFLED)
    assert np.array_equal(other.block(0).values, same.block(0).values[:, ORDER])
    assert np.shares_memory(same.layout.matrix(X), X)


class TestScikitLearn:
    @pytest.mark.parametrize("scale", [None, "standard", "robust"])
    def test_names_go_with_an_exported_model(self, scale):
        table = pd.DataFrame(X.astype("f8"), columns=NAMES)
        model = KMeans(4, scale=scale, random_state=0).fit(table)
        exported = model.to_sklearn()
        assert exported.feature_names_in_.tolist() == NAMES
        assert np.array_equal(exported.predict(table), model.labels_)
        with pytest.raises(ValueError, match="same order"):
            exported.predict(table[SHUFFLED])

    def test_names_go_with_an_exported_model_of_directions(self):
        table = pd.DataFrame(X.astype("f8"), columns=NAMES)
        exported = SphericalKMeans(4, random_state=0).fit(table).to_sklearn()
        assert exported.feature_names_in_.tolist() == NAMES
        with pytest.raises(ValueError, match="same order"):
            exported.predict(table[SHUFFLED])


class TestAFitThatFails:
    @pytest.mark.parametrize("estimator", [KMeans, SphericalKMeans, BisectingKMeans])
    @pytest.mark.parametrize("where", ["rows", "census", "k"])
    def test_leaves_the_model_as_it_was(self, estimator, where):
        table = pd.DataFrame(X, columns=NAMES)
        model = estimator(4, random_state=0).fit(table)
        before = dict(vars(model))
        bad = pd.DataFrame(RNG.normal(size=(50, 5)), columns=list("abcde"))
        if where == "rows":
            bad.iloc[3] = np.inf
        elif where == "census":
            bad = xr.DataArray(da.from_array(bad.values, chunks=(10, 5)), dims=("n", "f"))
            bad = bad.where(bad < 1, np.inf)
        else:
            bad = bad[:3]
        with pytest.raises(ValueError):
            model.fit(bad)
        after = vars(model)
        assert before.keys() == after.keys()
        assert all(before[name] is after[name] for name in before)
        assert np.array_equal(model.predict(table), model.labels_)

    def test_also_where_a_warning_is_an_error(self):
        model = KMeans(4, random_state=0).fit(X)
        centroids, labels = model.cluster_centers_, model.labels_
        with pytest.raises(UserWarning):
            model.set_params(max_iter=1, tol=0, loss_tol=None, init="random").fit(X[::-1])
        assert model.cluster_centers_ is centroids
        assert model.labels_ is labels


@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
class TestBesideTheData:
    @pytest.fixture
    def data(self, tmp_path):
        array = cube(X, NAMES).assign_coords(y=np.arange(20.0), x=np.arange(30.0))
        array.to_dataset(name="pixels").chunk(y=5).to_zarr(tmp_path / "x", consolidated=False)
        return array, str(tmp_path / "x")

    @pytest.fixture
    def mask(self):
        return xr.DataArray(
            RNG.random((20, 30)) < 0.6,
            dims=("y", "x"),
            coords={"y": np.arange(20.0), "x": np.arange(30.0)},
            name="mask",
        )

    @pytest.mark.parametrize("by_path", [True, False])
    @pytest.mark.parametrize("stored", [True, False])
    @pytest.mark.parametrize("turned", [True, False])
    def test_the_names_of_dimensions_decide(self, data, mask, by_path, stored, turned, tmp_path):
        array, path = data
        labels = KMeans(3, feature_dim="band", random_state=0).fit(array, mask=mask).labels_
        given = mask.T if turned else mask
        if stored:
            given.to_dataset().to_zarr(tmp_path / "m", consolidated=False)
            given = str(tmp_path / "m")
        model = KMeans(3, feature_dim="band", random_state=0)
        model.fit(path if by_path else array, mask=given)
        got = np.asarray(model.labels_)
        assert np.array_equal(got != 255, mask.values)
        assert np.array_equal(got, labels)

    def test_square_weights_are_not_taken_transposed(self, tmp_path):
        values = RNG.normal(size=(3, 10, 10))
        weights = RNG.random((10, 10))
        data = zarr.create_array(
            tmp_path / "x", data=values, chunks=(3, 4, 10), dimension_names=("band", "y", "x")
        )
        turned = zarr.create_array(
            tmp_path / "w", data=weights.T, chunks=(7, 3), dimension_names=("x", "y")
        )
        init = values.reshape(3, -1).T[:3]
        want = KMeans(3, init=init).fit(values.reshape(3, -1).T, sample_weight=weights.ravel())
        model = KMeans(3, init=init, feature_dim="band").fit(data, sample_weight=turned)
        assert model.inertia_ == pytest.approx(want.inertia_)

    @pytest.mark.parametrize("stored", [True, False])
    def test_other_dims_and_coordinates_are_refused(self, data, mask, stored, tmp_path):
        _, path = data
        cases = [
            (mask.assign_coords(y=np.arange(20) + 7.0), "the coordinates of mask along"),
            (mask[:, ::-1], "along 'x' are in the reverse order"),
            (mask.rename(y="lat").drop_vars("lat"), "mask has dimensions"),
        ]
        for number, (given, said) in enumerate(cases):
            if stored:
                given.to_dataset().to_zarr(tmp_path / f"{number}", consolidated=False)
                given = str(tmp_path / f"{number}")
            with pytest.raises(DataError, match=said):
                KMeans(3, feature_dim="band").fit(path, mask=given)

    def test_coordinates_that_differ_in_rounding_only_are_the_same(self, data, mask):
        _, path = data
        near = mask.assign_coords(y=(np.arange(20) + 1e-6).astype("f4"))
        model = KMeans(3, feature_dim="band", random_state=0).fit(path, mask=near)
        assert np.array_equal(model.labels_.compute() != 255, mask.values)


@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
class TestLongCoordinates:
    """Coordinates with more labels than are compared at once."""

    N = 140_001

    def store(self, path, values, labels, chunks, dims=("n",)):
        group = zarr.create_group(path)
        group.create_array(
            "data", data=values, chunks=(10_000, *values.shape[1:]), dimension_names=dims
        )
        group.create_array("n", data=labels, chunks=(chunks,), dimension_names=("n",))
        return f"{path}/data"

    @pytest.mark.parametrize("chunks", [1_000, 30_000, 140_001])
    @pytest.mark.parametrize("kind", ["f8", "f4", "i8"])
    def test_are_compared_to_their_end(self, chunks, kind, tmp_path):
        values = np.arange(2.0 * self.N).reshape(-1, 2)
        mask, labels = np.arange(self.N) < 100, np.arange(self.N)
        data = self.store(tmp_path / "x", values, labels.astype("f8"), 17_000, ("n", "f"))
        cases = {
            "same": labels,
            "other": np.where(labels < self.N - 1, labels, labels + 1),
            "turned": labels[::-1],
        }
        paths = {
            name: self.store(tmp_path / name, mask, case.astype(kind), chunks)
            for name, case in cases.items()
        }
        fit = KMeans(1, random_state=0).fit
        assert fit(data, mask=paths["same"]).cluster_centers_.tolist() == [[99.0, 100.0]]
        with pytest.raises(DataError, match="along 'n' differ from those of the data: they begin"):
            fit(data, mask=paths["other"])
        with pytest.raises(DataError, match="along 'n' are in the reverse order"):
            fit(data, mask=paths["turned"])

    def test_that_cannot_be_read_in_parts_are_reported(self, tmp_path, monkeypatch):
        monkeypatch.setattr(coordinates, "_MOST", 1_000)
        data = self.store(tmp_path / "x", np.ones((self.N, 2)), np.arange(self.N), 100, ("n", "f"))
        mask = self.store(tmp_path / "m", np.ones(self.N, bool), np.arange(self.N), 1_001)
        with pytest.warns(
            StreamkmWarning, match="'n' were not compared: one chunk holds 1,001 labels"
        ):
            KMeans(1).fit(data, mask=mask)
