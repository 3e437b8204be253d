"""Commands that read a file, and `info`, print a line on the parts of it that are left out."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
import zarr
from click.testing import CliRunner

from streamkm import KMeans, ingest, open_array
from streamkm.cli import main
from tests.in_place import X, table_of

NAMED = "left out, because not all of their values are numbers: id"


def run(*arguments):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_columns_of_text_are_named_once(tmp_path, capsys):
    pq.write_table(table_of(), tmp_path / "t.parquet")
    said = run("fit", tmp_path / "t.parquet", "-k", 2, "-o", tmp_path / "m")
    assert said.count(NAMED) == 1
    assert NAMED in run("info", tmp_path / "t.parquet")
    named = ("--variable", "a", "--variable", "c")
    said = run("fit", tmp_path / "t.parquet", "-k", 2, "-o", tmp_path / "n", *named)
    assert "left out" not in said
    run("ingest", tmp_path / "t.parquet", "-o", tmp_path / "t.zarr")
    assert NAMED in run("info", tmp_path / "t.zarr")
    KMeans(2, verbose=1).fit(tmp_path / "t.parquet")
    assert NAMED in capsys.readouterr().err


@pytest.mark.parametrize("names", [("x2", "x10"), ("x02", "x10"), ("x2", "y10"), ("2x1", "10x1")])
def test_names_whose_numbers_have_another_order_are_pointed_out(names, tmp_path):
    (tmp_path / "s").mkdir()
    for name in names:
        np.save(tmp_path / "s" / f"{name}.npy", X[:50])
    apart = names[0][:2] in ("x2", "2x") and names[1] != "y10"
    text = f"before {names[0]}.npy, in the order of the names"
    notices = open_array(tmp_path / "s").attrs.get("notices", [])
    assert len(notices) == apart
    assert (text in run("info", tmp_path / "s")) == apart
    assert (text in run("ingest", tmp_path / "s", "-o", tmp_path / "s.zarr")) == apart


def test_colours_that_a_raster_does_not_apply_are_named(tmp_path):
    values = np.arange(30, dtype="u1").reshape(1, 6, 5)
    size = {"driver": "GTiff", "width": 5, "height": 6, "count": 1, "dtype": "uint8"}
    size |= {"transform": rasterio.Affine(10, 0, 0, 0, -10, 0)}
    for name, options in {
        "p": {"photometric": "palette"},
        "w": {"photometric": "miniswhite"},
    }.items():
        with rasterio.open(tmp_path / f"{name}.tif", "w", **size, **options) as scene:
            scene.write(values)
            if name == "p":
                scene.write_colormap(1, {code: (code, 9, 9, 255) for code in range(30)})
    for name, text in {"p": "indices of a table of colours", "w": "0 means white"}.items():
        path = tmp_path / f"{name}.tif"
        assert text in run("info", path)
        assert np.array_equal(open_array(path)[...], values)
        assert text in run("ingest", path, "-o", tmp_path / f"{name}.zarr")
        ingest(path, tmp_path / f"{name}.images.zarr", kind="images")
        decoded = zarr.open_array(tmp_path / f"{name}.images.zarr" / "pixels")[0]
        want = np.stack([values[0], *[np.full((6, 5), 9)] * 2], -1)
        assert np.array_equal(decoded, want if name == "p" else 255 - values[0][..., None])
