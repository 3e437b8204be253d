"""``streamkm quantize`` and ``encode`` give the codebooks and codes of `ProductQuantizer`."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

import streamkm
from streamkm.cli import main

X = np.random.default_rng(0).normal(size=(600, 6)).astype(np.float32)
RULES = ("-m", 3, "--codewords", 8, "--init", "random", "--max-iter", 4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("quantize")
    zarr.create_array(where / "x", data=X, chunks=(100, 6))
    with_missing = X.copy()
    with_missing[5, 1] = np.nan
    zarr.create_array(where / "missing", data=with_missing, chunks=(100, 6))
    streamkm.KMeans.from_centroids(X[:4].astype(float)).save(where / "coarse")
    return where


def run(*words, code=0):
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


@pytest.mark.parametrize("coarse", [False, True])
def test_codebooks_and_codes_are_those_of_python(folder, tmp_path, coarse):
    options = ("--coarse", folder / "coarse") if coarse else ()
    told = run("quantize", folder / "x", "-o", tmp_path / "q", *RULES, *options, "--json")
    told = json.loads(told.stdout.splitlines()[-1])
    asked = {"n_codewords": 8, "init": "random", "max_iter": 4, "random_state": 0}
    model = streamkm.load(folder / "coarse") if coarse else None
    want = streamkm.ProductQuantizer(3, coarse=model, **asked).fit(folder / "x")
    assert (told["inertia"], told["code_bytes"]) == (want.inertia_, 3)
    found = streamkm.load(tmp_path / "q")
    assert found.codebooks_.tobytes() == want.codebooks_.tobytes()
    run("encode", tmp_path / "q", folder / "x", "-o", tmp_path / "codes")
    assert np.array_equal(zarr.open_array(tmp_path / "codes")[:], want.transform(X))
    run("encode", tmp_path / "q", folder / "x", "-o", tmp_path / "codes.npy")
    assert np.array_equal(np.load(tmp_path / "codes.npy"), want.transform(X))


def test_mistakes_are_one_line(folder, tmp_path):
    out = ("-o", tmp_path / "q")
    said = run("quantize", folder / "x", *out, "-m", 4, "--codewords", 8, code=1).output
    assert "6 features cannot be divided into --parts 4" in said
    assert (
        "fewer than --codewords 900"
        in run("quantize", folder / "x", *out, "-m", 3, "--codewords", 900, code=1).output
    )
    missing = ("quantize", folder / "missing", *out, *RULES)
    assert "NaN" in run(*missing, code=1).output
    assert "no value for missing rows" in run(*missing, "--nodata", "nan", code=1).output
    run("quantize", folder / "x", *out, *RULES)
    assert "exists" in run("quantize", folder / "x", *out, *RULES, code=1).output
    encode = ("encode", tmp_path / "q", folder / "x", "-o")
    assert "a .npy file or a Zarr store" in run(*encode, tmp_path / "c.parquet", code=1).output
    encode = ("encode", folder / "coarse", folder / "x", "-o", tmp_path / "c")
    assert "not a product quantizer" in run(*encode, code=1).output
