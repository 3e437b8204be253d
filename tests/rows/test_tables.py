"""Tables of every kind are converted by one rule, in KMeans, in sweeps and in Dask frames."""

from __future__ import annotations

import re
from decimal import Decimal

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
import sparse
import xarray as xr

from streamkm import KMeans, sweep
from streamkm.errors import DataError
from streamkm.rows import numbers

N = 60
A = np.where(np.arange(N) % 3 == 0, 90, 0) + np.arange(N) % 5
B = (np.arange(N) % 2).astype(bool)
OBJECTS = pd.Series(A.tolist(), dtype=object)
FRAMES = {
    "nullable": pd.DataFrame({"a": pd.array(A, "Int64"), "b": pd.array(B, "boolean")}),
    "arrow": pd.DataFrame({"a": pd.array(A, "int64[pyarrow]"), "b": B.astype(float)}),
    "boolean beside float": pd.DataFrame({"a": A.astype(float), "b": B}),
    "objects": pd.DataFrame({"a": OBJECTS, "b": B.astype("i1")}),
    "decimals": pd.DataFrame({"a": [Decimal(int(v)) for v in A], "b": B.astype("i1")}),
    "uint64": pd.DataFrame({"a": A.astype("u8"), "b": B.astype("u8")}),
    "categories": pd.DataFrame({"a": pd.Categorical(A), "b": B.astype("i1")}),
}
OTHERS = {
    "polars": pl.DataFrame({"a": [Decimal(int(v)) for v in A], "b": B}),
    "polars, uint64": pl.DataFrame({"a": A.astype("u8"), "b": B.astype("u8")}),
    "Arrow": pa.table({"a": pa.array([Decimal(int(v)) for v in A]), "b": pa.array(B)}),
    "array of objects": np.stack([A, B], axis=1).astype(object),
    "big-endian": np.stack([A, B], axis=1).astype(">u8"),
}
WANT = np.stack([A, B], axis=1).astype("f8")


def test_tables_without_names_and_columns_alone():
    unnamed = FRAMES["nullable"].set_axis([0, 1], axis=1)
    assert np.array_equal(numbers(unnamed), WANT)
    bad = unnamed.assign(**{"x": "word"}).set_axis([0, 1, 2], axis=1)
    with pytest.raises(DataError, match="column '2' holds the value 'word'"):
        KMeans(2).fit(bad)
    assert numbers(pd.Series(B)).dtype == bool  # a mask stays a mask
    assert numbers(pd.Series(pd.array(B, "boolean"))).tolist() == B.astype(float).tolist()


def sorted_centres(centres):
    return centres[centres[:, 0].argsort()]


@pytest.mark.parametrize("kind", [*FRAMES, *OTHERS])
def test_columns_of_numbers_are_taken_whatever_their_type(kind):
    table = (FRAMES | OTHERS)[kind]
    want = sorted_centres(KMeans(2, random_state=0).fit(WANT).cluster_centers_)
    assert np.array_equal(numbers(table).astype("f8"), WANT)
    model = KMeans(2, random_state=0).fit(table)
    assert np.allclose(sorted_centres(model.cluster_centers_), want)
    assert np.allclose(sorted_centres(sweep(table, [2]).centroids.values[0]), want)
    if kind in FRAMES:
        with dask.config.set({"dataframe.convert-string": False}):  # objects stay objects
            lazy = dd.from_pandas(table, npartitions=3)
        found = KMeans(2, random_state=0).fit(lazy)
        assert found.feature_names_in_.tolist() == ["a", "b"]
        assert np.allclose(sorted_centres(found.cluster_centers_), want)


def test_what_is_missing_is_nan():
    table = FRAMES["nullable"].copy()
    table.loc[3, "a"] = pd.NA
    for given in (table, dd.from_pandas(table, npartitions=2), pl.from_pandas(table)):
        labels = np.asarray(KMeans(2, nodata=np.nan).fit(given).labels_)
        assert np.flatnonzero(labels == (255 if labels.dtype == np.uint8 else -1)).tolist() == [3]


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (["a word"] * N, "'a word'"),
        ([*range(N - 1), "a word"], "'a word'"),
        ([str(v) for v in range(N)], "the value '0'"),
        ([None, *map(str, range(N - 1))], "the value '0'"),
        ([*range(N - 1), "17"], "the value '17'"),
        ([*range(N - 1), b"17"], "17"),
        (pd.array(["1"] * N, "string[pyarrow]"), "the value '1'"),
        (pd.Categorical(["1", "2"] * (N // 2)), "categories"),
        (pd.date_range("2026", periods=N), "datetime64"),
        (pd.to_timedelta(np.arange(N), "s"), "timedelta64"),
        (pd.Categorical(["u", "v"] * (N // 2)), "categories"),
        (np.arange(N) * 1j, "complex128"),
    ],
)
def test_a_column_that_is_no_numbers_is_named(column, said):
    table = pd.DataFrame({"good": A, "bad": pd.Series(column)})
    first = rf"column 'bad' holds .*{re.escape(said)}.*leave the column out"
    with dask.config.set({"dataframe.convert-string": False}):
        unchanged = dd.from_pandas(table, npartitions=2)
    for given in (table, dd.from_pandas(table, npartitions=2), unchanged):
        message = first
        if given is not table and isinstance(given.dtypes["bad"], pd.StringDtype):
            message = "column 'bad' holds text.*leave the column out.*convert-string is False"
        with pytest.raises(DataError, match=message):
            KMeans(2).fit(given)
        with pytest.raises(DataError, match=message):
            sweep(given, [2])


@pytest.mark.parametrize(
    "table",
    [
        pl.DataFrame({"good": A, "bad": [str(v) for v in A]}),
        pa.table({"good": A, "bad": pa.array([str(v) for v in A])}),
        pa.table({"good": A, "bad": pa.array([None, *map(str, A[1:])])}),
    ],
)
def test_texts_that_look_like_numbers_are_no_numbers_in_any_table(table):
    for fit in (KMeans(2).fit, lambda given: sweep(given, [2])):
        with pytest.raises(DataError, match="column 'bad' holds the value '.*leave the column out"):
            fit(table)


def test_numbers_of_every_kind_in_one_column_of_objects_are_taken():
    values = [1, 2.5, Decimal("3.25"), np.float32(4), np.int8(5), True, None]
    table = pd.DataFrame({"a": pd.Series(values, dtype=object)})
    want = [[1.0], [2.5], [3.25], [4.0], [5.0], [1.0], [np.nan]]
    assert np.array_equal(numbers(table), want, equal_nan=True)
    assert np.array_equal(numbers(table.to_numpy()), want, equal_nan=True)


@pytest.mark.parametrize("given", [[["1", None], ["2", 3.0]], [[b"1", None], [2, 3.0]]])
def test_texts_in_arrays_of_objects_are_refused(given):
    array = np.array(given, object)
    for data in (array, given, np.ma.masked_array(array, mask=False)):
        for fit in (KMeans(2).fit, lambda given: sweep(given, [2])):
            with pytest.raises(DataError, match="the array holds the value .*1.*convert it"):
                fit(data)
    with pytest.raises(DataError, match="column 'w' holds the value '1'"):
        KMeans(2).fit(WANT, sample_weight=pd.Series(["1"] * N, dtype=object, name="w"))


@pytest.mark.parametrize("dtype", ["M8[ns]", "m8[ns]", "U3"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_variable_that_is_no_numbers_is_named(dtype, chunked):
    bad = np.zeros(N, "i8").astype(dtype)
    data = xr.Dataset({"a": ("row", A), "when": ("row", bad)})
    with pytest.raises(DataError, match=r"'when' has dtype .*drop_vars\('when'\)"):
        KMeans(2).fit(data.chunk() if chunked else data)


@pytest.mark.parametrize("said", [True, False])
def test_sparse_blocks_are_refused_with_the_way_out(said):
    plain = da.from_array(WANT, chunks=(20, 2))
    blocks = {
        "toarray": plain.map_blocks(scipy.sparse.csr_matrix, meta=scipy.sparse.csr_matrix((0, 0))),
        "todense": plain.map_blocks(sparse.COO.from_numpy, meta=sparse.COO(np.zeros((0, 0)))),
    }
    if not said:
        blocks = {"toarray": plain.map_blocks(scipy.sparse.csr_matrix, meta=np.zeros((0, 0)))}
    for way, lazy in blocks.items():
        with pytest.raises(DataError, match=rf"not NumPy.*map_blocks.*{way}"):
            KMeans(2).fit(lazy)
    with pytest.raises(DataError, match="toarray"):
        sweep(scipy.sparse.csr_matrix(WANT), [2])


def test_distances_of_big_endian_float32_are_float32():
    model = KMeans(2, random_state=0).fit(WANT.astype("f4"))
    assert model.transform(WANT.astype(">f4")).dtype == np.float32
    assert np.array_equal(model.transform(WANT.astype(">f4")), model.transform(WANT.astype("f4")))


def test_uint64_beyond_int64_is_clustered():
    x = np.array([[2**63], [2**63 + 2**20], [2**64 - 2**11], [2**64 - 2**12]], "u8")
    centres = KMeans(2, random_state=0).fit(x).cluster_centers_.ravel()
    want = [float(2**63 + 2**19), float(2**64 - 3 * 2**10)]
    assert sorted(centres) == pytest.approx(want, rel=1e-15)


NEAR = 2**60 + np.arange(N) % 3 * 10_000
LARGE = np.stack([NEAR, NEAR[::-1]], axis=1)


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"a": LARGE[:, 0], "b": LARGE[:, 1]}),
        pa.record_batch({"a": LARGE[:, 0], "b": LARGE[:, 1]}),
        pl.DataFrame({"a": LARGE[:, 0], "b": LARGE[:, 1]}),
        pd.DataFrame(LARGE),
        pd.DataFrame(LARGE).astype("Int64"),
        pd.DataFrame(LARGE).astype("int64[pyarrow]"),
        pd.DataFrame({"a": LARGE[:, 0], "b": pd.array(LARGE[:, 1], "Int64")}),
        dd.from_pandas(pd.DataFrame(LARGE, columns=["a", "b"]), npartitions=2),
    ],
)
def test_whole_numbers_of_tables_stay_whole_numbers(table):
    want = KMeans(2, random_state=0).fit(LARGE).inertia_
    assert want > 1e8
    assert KMeans(2, random_state=0).fit(table).inertia_ == want


ODD = 2**53 + 1
MIXED = pd.DataFrame({"good": A, "bad": A * 0 + ODD})


def lacking(table):
    table = table.copy()
    table.loc[5, "bad"] = pd.NA
    return table


@pytest.mark.parametrize(
    "table",
    [
        MIXED.astype({"good": "f8"}),
        MIXED.astype({"good": "f4", "bad": "u8"}),
        MIXED.astype({"good": "f8", "bad": "Int64"}),
        MIXED.astype({"good": "u8"}),
        MIXED.astype({"good": "f8", "bad": object}),
        MIXED.assign(good=0.5, bad=[Decimal(ODD)] * N),
        lacking(MIXED.astype({"bad": "Int64"})),
        lacking(MIXED.astype({"bad": "int64[pyarrow]"})),
        pl.DataFrame({"good": A + 0.5, "bad": [ODD] * N}),
        pl.DataFrame({"bad": [ODD, None] * (N // 2)}),
        pa.table({"good": A + 0.5, "bad": [ODD] * N}),
        pa.table({"good": A, "bad": [ODD, None] * (N // 2)}),
        pa.table({"good": A, "bad": pa.array([ODD, None] * (N // 2)).dictionary_encode()}),
    ],
    ids=str,
)
def test_a_whole_number_that_floats_would_change_is_named(table):
    said = f"column 'bad' .*{ODD}.*float64.*subtract"
    lazy = []
    if isinstance(table, pd.DataFrame):
        with dask.config.set({"dataframe.convert-string": False}):  # objects stay objects
            lazy = [dd.from_pandas(table, npartitions=2)]
    for given in (table, *lazy):
        with pytest.raises(DataError, match=said):
            KMeans(2, nodata=np.nan).fit(given)
        with pytest.raises(DataError, match=said):
            sweep(given, [2], nodata=np.nan)


def test_a_whole_number_of_an_array_of_objects_is_not_changed():
    with pytest.raises(DataError, match=str(ODD)):
        numbers(np.array([[0.5, 1], [0.5, ODD]], object))
    assert numbers(np.array([[0.5], [2**70]], object)).tolist() == [[0.5], [2.0**70]]


@pytest.mark.parametrize(
    ("table", "dtype"),
    [
        (pa.table({"a": A.astype("u1"), "b": A.astype("u1")}), "u1"),
        (pa.table({"a": A.astype("u1"), "b": A.astype("f4")}), "f4"),
        (pa.table({"a": pa.array([1.5, None], pa.float32())}), "f4"),
        (pa.table({"a": pa.array([1, None], pa.uint8())}), "f8"),
        (pd.DataFrame({"a": A, "b": A}).astype("UInt8"), "u1"),
        (pd.DataFrame({"a": [1.5, None]}).astype("Float32"), "f4"),
        (pd.DataFrame({"a": A.astype("i4"), "b": A.astype("f4")}), "f8"),
        (pd.DataFrame({"a": A.astype("i2"), "b": B}), "i2"),
        (pl.DataFrame({"a": A.astype("u1"), "b": B}), "u1"),
        (pa.table({"a": B}), "?"),
    ],
)
def test_the_dtype_of_a_table_is_that_of_its_columns(table, dtype):
    assert numbers(table).dtype == np.dtype(dtype)


def test_missing_values_of_dictionaries_are_missing():
    table = pa.table({"a": pa.array([1, 2, None]).dictionary_encode()})
    assert np.array_equal(numbers(table), [[1], [2], [np.nan]], equal_nan=True)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_whole_number_of_a_variable_is_not_changed(chunked):
    data = xr.Dataset({"a": ("row", A + 0.5), "bad": ("row", A * 0 + ODD)})
    data = data.chunk(row=20) if chunked else data
    with pytest.raises(DataError, match=f"variable 'bad' .*{ODD}.*float64.*subtract"):
        KMeans(2).fit(data)
    fills = {
        "a": 0.5,
        "bad": -(2**63) + 2,
    }  # the fill value of netCDF for int64, which float64 cannot represent
    data = data.assign(bad=("row", np.where(B, A, fills["bad"])))
    data = data.chunk(row=20) if chunked else data
    for name, fill in fills.items():
        data[name].attrs["_FillValue"] = fill
    labels = np.asarray(KMeans(2, random_state=0).fit(data).labels_)
    assert np.array_equal(labels != labels.max(), B & (A > 0))
