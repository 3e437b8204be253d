"""Hostile values of options end in one message, before anything is read or allocated.

`scripts/fuzz arguments` found them, and tries many more.
"""

from __future__ import annotations

import shlex

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from PIL import Image

from streamkm.cli import main

FIT = "fit x.zarr -k 3 -o out"
CASES = {
    "sweep x.zarr -k 1:1000000000000 -o out": "more than 10,000 numbers",
    f"{FIT} --n-init 99999999999999999999": "1<=x<=10000",
    f"{FIT} --n-init 1000000000": "1<=x<=10000",
    "tree x.zarr -k 6 -o out --levels 99999999999999999999": "1<=x<=64",
    "tree x.zarr -k 6 -o out --resampled-rows 3": "without --resampling",
    "compress a.png -o out --patch 999999x999999": "at most 65,536 pixels",
    "compress a.png -o out --patch 99999999999999999999x1": "at most 65,536 pixels",
    "ingest x.csv -o out --chunk 0": "--chunk 0: give 1 byte",
    "ingest x.csv -o out --chunk 99999999TiB": "larger than any memory",
    "ingest x.csv -o out --shard 900000TiB": "give 1 byte to",
    "ingest x.csv -o out --delimiter ab": "one ASCII character",
    "ingest x.csv -o out --delimiter ''": "one ASCII character",
    "ingest x.csv -o out --delimiter é": "one ASCII character",
    "ingest x.csv -o out --dtype '(1000000000,)f4'": "is not a dtype",
    "stream - -k 3 -o out --format csv --delimiter abc": "one ASCII character",
    "stream - -k 3 -o out --dtype f4,,": "is not a dtype",
    f"{FIT} --memory-limit {'9' * 400}": "larger than any memory",
    f"{FIT} --time-limit {'9' * 400}": "more than 100 years",
    f"{FIT} --signals abc": "without --checkpoint",
    f"{FIT} --again-code 3": "without --checkpoint",
    f"{FIT} --checkpoint-every 3": "without --labels or --checkpoint",
    f"{FIT} --checkpoint-reads 3": "without --checkpoint",
    f"{FIT} --checkpoint c --signals KILL": "KILL cannot be handled",
    "report x.zarr --every 2s": "--every has no effect without --watch",
    "report x.zarr -n 5": "-n has no effect without --data",
    "report x.zarr --data x.zarr -n 101": "not in the range",
    f"{FIT} --workers 3": "--workers needs --scheduler",
    f"{FIT} --dashboard 127.0.0.1:0": "--dashboard needs --scheduler",
    f"{FIT} --scheduler 127.0.0.1:99999": "has no host and port",
    f"{FIT} --scheduler -3:2": "has no host and port",
    f"{FIT} --checkpoint evil://host/x": "Protocol not known: evil",
    "fit evil://host/x.zarr -k 3 -o out": "Protocol not known: evil",
    "palette evil://host/x.png": "Protocol not known: evil",
    "info x.zarr --variable ../x": "single array",
    "info https://me:secret@127.0.0.1:9/x.zarr": "https://me:***@127.0.0.1:9",
    "fit s3://me:secret@bucket/x.zarr -k 3 -o out": "s3://me:***@bucket",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    x = np.random.default_rng(0).normal(size=(60, 3))
    zarr.create_array(folder / "x.zarr", data=x)
    np.savetxt(folder / "x.csv", x, delimiter=",", header="a,b,c", comments="")
    Image.fromarray(np.eye(9, dtype="u1")).save(folder / "a.png")
    return folder


@pytest.mark.parametrize("line", CASES)
def test_hostile_arguments_are_refused_in_one_message(line, data, monkeypatch):
    monkeypatch.chdir(data)
    before = sorted(data.rglob("*"))
    found = CliRunner().invoke(main, shlex.split(line), input="a,b\n1,2\n")
    assert isinstance(found.exception, SystemExit), found.exception
    assert found.exit_code in (1, 2)
    assert CASES[line] in found.output
    assert "secret" not in found.output
    assert sum(text.startswith("Error:") for text in found.output.splitlines()) == 1
    assert sorted(data.rglob("*")) == before


def test_models_store_no_password(data, monkeypatch):
    monkeypatch.chdir(data)
    (data / "me:secret@host").symlink_to("x.zarr")
    zarr.create_array(data / "you:secret@host", data=np.ones(60))
    given = "me:secret@host --weights you:secret@host"
    for command in ("fit --init random --max-iter 1", "stream"):
        words = f"{command} {given} -k 3 -o model --overwrite"
        found = CliRunner().invoke(main, words.split())
        assert found.exit_code == 0, found.output
        metadata = (data / "model" / "zarr.json").read_text()
        assert "me:***@host" in metadata
        assert "you:***@host" in metadata
        assert "secret" not in metadata
