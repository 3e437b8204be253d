"""Integers are stored exactly, or an error names the column and the value."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import zarr

import streamkm
from streamkm.errors import DataError
from streamkm.rows.formats.exact import converted

ODD = 2**53 + 1


def write(folder, kind, columns):
    table = pa.table(columns)
    path = folder / f"t.{kind}"
    if kind == "csv":
        pa.csv.write_csv(table, path)
    else:
        pa.parquet.write_table(table, path)
    return path


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("columns", "dtype", "value"),
    [
        ({"a": pa.array([1, 2147483647], pa.int32()), "b": [0.5, 1.5]}, "float32", 2147483647),
        ({"a": pa.array([1, 16777217], pa.int32())}, "float32", 16777217),
        ({"a": [1, ODD], "b": [0.5, 1.5]}, None, ODD),
        ({"a": [1, -ODD, 3], "b": [0.5, 1.5, 2.5]}, "float64", -ODD),
        ({"b": [1, 2, 3], "a": [1, None, ODD]}, "float64", ODD),
        ({"a": [1, 2**63 - 1], "b": [0.5, 1.5]}, None, 2**63 - 1),
        ({"a": [1, 300]}, "uint8", 300),
        ({"a": [1, -1]}, "uint8", -1),
        ({"a": [1, -1]}, "uint64", -1),
        ({"a": pa.array([1, 2**64 - 1], pa.uint64()), "b": [0.5, 1.5]}, None, 2**64 - 1),
        ({"a": pa.array([Decimal(1), Decimal(ODD)]), "b": [0.5, 1.5]}, None, ODD),
    ],
)
def test_a_whole_number_that_would_change_is_named(kind, columns, dtype, value, tmp_path):
    path = write(tmp_path, kind, columns)
    with pytest.raises(DataError, match=rf"column '?#?a.*{value}"):
        streamkm.ingest(path, tmp_path / "o.zarr", dtype=dtype)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("columns", "dtype"),
    [
        ({"a": [1, ODD], "b": [3, 4]}, "int64"),
        ({"a": [1, 2**53 + 2], "b": [0.1, 4]}, None),
        ({"a": [1, 16777216], "b": [0.1, 4]}, "float32"),
        ({"a": [0.1, 16777217.0], "b": [0.5, 1e30]}, "float32"),
        ({"a": pa.array([5, 2**64 - 1], pa.uint64())}, "uint64"),
        ({"a": [Decimal("0.10"), Decimal("-12345678901234567890.30")], "b": [1, 2]}, None),
    ],
)
def test_other_numbers_are_the_nearest(kind, columns, dtype, tmp_path):
    made = streamkm.ingest(write(tmp_path, kind, columns), tmp_path / "o.zarr", dtype=dtype)
    lists = [c.to_pylist() if isinstance(c, pa.Array) else c for c in columns.values()]
    exact = [[float(v) if isinstance(v, Decimal) else v for v in values] for values in lists]
    want = np.stack([np.array(values, dtype or "f8") for values in exact], axis=1)
    assert made.dtype == want.dtype
    assert np.array_equal(made[...], want)


def test_whole_numbers_far_down_in_a_text_are_compared_with_how_they_are_spelled(tmp_path):
    n = 400_000  # several blocks of text
    values = np.arange(n) + 2**40
    values[n - 10] = ODD - 1
    path = tmp_path / "t.csv"
    path.write_text("a\n" + "\n".join(map(str, values.tolist())))
    made = streamkm.ingest(path, tmp_path / "o.zarr")
    assert np.array_equal(made[:, 0], values.astype("f8"))
    values[n - 10] = ODD
    path.write_text("a\n" + "\n".join(map(str, values.tolist())))
    with pytest.raises(DataError, match=f"column 'a': .* cannot represent the value {ODD}"):
        streamkm.ingest(path, tmp_path / "p.zarr")


def test_a_column_of_whole_numbers_may_go_on_with_fractions(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a\n" + "7\n" * 2_200_000 + "0.5\n1e20\n")
    made = streamkm.ingest(path, tmp_path / "o.zarr")
    assert made[-2:, 0].tolist() == [0.5, 1e20]


def test_columns_of_decimals_are_numbers(tmp_path):
    columns = {"a": [Decimal("0.1"), Decimal("2.5")], "b": [1, 2], "c": ["x", "y"]}
    made = streamkm.ingest(write(tmp_path, "parquet", columns), tmp_path / "o.zarr")
    assert zarr.open_group(tmp_path / "o.zarr", mode="r")["feature"][...].tolist() == ["a", "b"]
    assert made.attrs["left_out"] == ["c"]
    assert made[:].tolist() == [[0.1, 1], [2.5, 2]]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (np.array([1, ODD]), "float64"),
        (np.array([1, 2**24 + 1]), "float32"),
        (np.array([2**63 - 1]), "float64"),
        (np.array([2**64 - 1], "u8"), "float64"),
        (np.array([2**63], "u8"), "int64"),
        (np.array([-1]), "uint64"),
        (np.array([-1], "i1"), "uint8"),
        (np.array([200], "u1"), "int8"),
        (np.array([2.0**63]), "int64"),
        (np.array([2.0**64]), "uint64"),
        (np.array([0.5]), "int64"),
        (np.array([np.nan]), "int64"),
        (np.array([70000]), "float16"),
        (np.array([2]), "bool"),
    ],
)
def test_an_array_is_converted_exactly_or_refused(values, dtype, tmp_path):
    with pytest.raises(DataError, match=f"{dtype} cannot represent"):
        converted(values, np.dtype(dtype))
    np.save(tmp_path / "x.npy", np.stack([values, values], axis=1))
    with pytest.raises(DataError, match=f"{dtype} cannot represent"):
        streamkm.ingest(tmp_path / "x.npy", tmp_path / "o.zarr", dtype=dtype)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "uint64", "float32", "float64"])
@pytest.mark.parametrize("source", ["bool", "int8", "uint8", "int64", "uint64", "float64"])
def test_what_python_calls_equal_is_converted(source, dtype):
    edges = [0, 1, 127, -128, 255, 2**24, 2**53, -(2**63), 2**63, 2**63 - 1, 2**64 - 1]
    for edge in edges:
        with np.errstate(all="ignore"):
            try:
                values = np.array([edge]).astype(source)
            except OverflowError:
                continue
        own = values[0].item()
        rounds = source == "float64" and dtype == "float32"
        try:
            fits = np.array([own], dtype)[0].item() == own
        except OverflowError:
            fits = False
        if fits or rounds:
            assert converted(values, np.dtype(dtype))[0].item() == np.dtype(dtype).type(own).item()
        else:
            with pytest.raises(DataError):
                converted(values, np.dtype(dtype))


def test_names_of_columns_that_are_not_utf_8_are_an_error(tmp_path):
    (tmp_path / "t.csv").write_bytes("größe,weg\n1,2\n".encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8.*iconv"):
        streamkm.ingest(tmp_path / "t.csv", tmp_path / "o.zarr")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_column_that_is_named_twice_is_refused(kind, tmp_path):
    source = write(tmp_path, kind, {"a": [1, 2], "b": [1, 2]})
    with pytest.raises(DataError, match="the column 'a' is named twice"):
        streamkm.ingest(source, tmp_path / "o.zarr", columns=["a", "b", "a"])
    assert not (tmp_path / "o.zarr").exists()
