"""Tables of every kind are numbers by one rule, in KMeans, in sweeps and in Dask frames."""

from __future__ import annotations

import re
from decimal import Decimal

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
    assert numbers(pd.Series(B)).dtype == bool  # a mask stays one
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
        (pd.date_range("2026", periods=N), "datetime64"),
        (pd.to_timedelta(np.arange(N), "s"), "timedelta64"),
        (pd.Categorical(["u", "v"] * (N // 2)), "categories"),
        (np.arange(N) * 1j, "complex128"),
    ],
)
def test_a_column_that_is_no_numbers_is_named(column, said):
    table = pd.DataFrame({"good": A, "bad": pd.Series(column)})
    message = rf"column 'bad' holds .*{re.escape(said)}.*leave the column out"
    for given in (table, dd.from_pandas(table, npartitions=2)):
        with pytest.raises(DataError, match=message):
            KMeans(2).fit(given)
        with pytest.raises(DataError, match=message):
            sweep(given, [2])


@pytest.mark.parametrize("dtype", ["M8[ns]", "m8[ns]", "U3"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_variable_that_is_no_numbers_is_named(dtype, chunked):
    bad = np.zeros(N, "i8").astype(dtype)
    data = xr.Dataset({"a": ("row", A), "when": ("row", bad)})
    with pytest.raises(DataError, match=r"'when' holds .*drop_vars\('when'\)"):
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
        with pytest.raises(DataError, match=rf"not of NumPy.*map_blocks.*{way}"):
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
