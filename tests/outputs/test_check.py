"""No output of any command destroys an input, another output, or a store of another kind."""

from __future__ import annotations

import hashlib
import os
import re
import shutil

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from PIL import Image

import streamkm
from streamkm.cli import main
from streamkm.errors import DataError, OutputExistsError, StreamkmError


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result.output


MEETS = re.compile("is the same place as|lies inside|matches the pattern")


def digest(folder):
    """A digest of all files below a folder."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        found.update(str(path.relative_to(folder)).encode())
        found.update(path.read_bytes() if path.is_file() else b"")
    return found.hexdigest()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with data, photographs, and one store of every kind."""
    tmp_path = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2)).astype("f4")
    zarr.create_array(tmp_path / "i.zarr", data=x, chunks=(50, 2))
    zarr.create_array(tmp_path / "v.zarr", data=x[:50], chunks=(50, 2))
    (tmp_path / "p").mkdir()
    for name in ("a", "b"):
        pixels = rng.integers(0, 255, (20, 20, 3)).astype("u1")
        Image.fromarray(pixels).save(tmp_path / "p" / f"{name}.png")
    np.save(tmp_path / "x.npy", x)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        run("fit", "i.zarr", "-k", 2, "-o", "model", "--labels", "labels", "--checkpoint", "ckpt")
        run("sweep", "i.zarr", "-k", "1:3", "-o", "sweep")
        run("compress", "p", "-k", 4, "-o", "archive")
        run("ingest", "x.npy", "-o", "ingested")
    return tmp_path


@pytest.fixture
def home(made, tmp_path, monkeypatch):
    """A copy of this folder, as the current folder."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


_SPELLINGS = ["i.zarr", "./i.zarr/", "file://{0}/i.zarr", "{0}/p/../i.zarr"]


@pytest.mark.parametrize("data", _SPELLINGS)
@pytest.mark.parametrize(
    "arguments",
    [
        ["fit", "DATA", "-k", 2, "-o", "i.zarr"],
        ["fit", "DATA", "-k", 2, "-o", "m", "--labels", "i.zarr"],
        ["fit", "DATA", "-k", 2, "-o", "m", "--labels", "i.zarr/labels"],
        ["fit", "DATA", "-k", 2, "-o", "m", "--checkpoint", "i.zarr/ckpt"],
        ["fit", "DATA", "-k", 2, "-o", "m", "--checkpoint", "file://{0}/i.zarr/ckpt"],
        ["fit", "DATA", "-k", 2, "-o", "m", "--plot", "i.zarr/p.png"],
        ["fit", "DATA", "-k", 2, "-o", "m", "--performance-report", "i.zarr/p.html"],
        ["sweep", "DATA", "-k", "1:3", "-o", "i.zarr"],
        ["sweep", "v.zarr", "--validation", "DATA", "-k", "1:3", "-o", "i.zarr"],
        ["sweep", "DATA", "-k", "1:3", "-o", "s", "--plot", "i.zarr/p.png"],
        ["predict", "model", "DATA", "-o", "i.zarr"],
        ["predict", "model", "DATA", "-o", "file://{0}/i.zarr"],
    ],
)
def test_data_survive_every_spelling_and_every_output(home, arguments, data):
    before = digest(home)
    given = [str(a).replace("DATA", data).format(home) for a in arguments]
    said = run(*given, "--overwrite", code=1)
    assert MEETS.search(said)
    assert digest(home) == before


@pytest.mark.parametrize("photos", ["p", "file://{0}/p", "p/*.png", "p/a.png"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["compress", "PHOTOS", "-o", "arc", "-k", 4, "--png", "p"],
        ["compress", "PHOTOS", "-o", "arc", "-k", 4, "--png", "file://{0}/p"],
        ["compress", "PHOTOS", "-o", "arc", "-k", 4, "--palettes", "p"],
        ["compress", "PHOTOS", "-o", "arc", "-k", 4, "--sheet", "p/a.png"],
        ["compress", "PHOTOS", "-o", "p/a.png"],
        ["compress", "PHOTOS", "-o", "p"],
        ["palette", "PHOTOS", "-k", 4, "-o", "p/a.png"],
        ["palette", "PHOTOS", "-k", 4, "-o", "file://{0}/p/a.png"],
    ],
)
def test_photographs_survive(home, arguments, photos):
    before = digest(home)
    given = [str(a).replace("PHOTOS", photos).format(home) for a in arguments]
    assert MEETS.search(run(*given, "--overwrite", code=1))
    assert digest(home) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "i.zarr", "-k", 2, "-o", "m", "--labels", "m"], "m is the same place as m"),
        (["fit", "i.zarr", "-k", 2, "-o", "m", "--labels", "m/l"], "m/l lies inside m;"),
        (["fit", "i.zarr", "-k", 2, "-o", "m", "--checkpoint", "m"], "m is the same place as m"),
        (["fit", "i.zarr", "-k", 2, "-o", "m", "--plot", "m/p.png"], "m/p.png lies inside m;"),
        (["fit", "i.zarr", "-k", 2, "-o", "m", "--plot", "archive/p.png"], "Zarr store"),
        (["fit", "i.zarr", "-k", 2, "-o", "archive/m"], "is a streamkm archive"),
        (["decompress", "archive", "-o", "archive"], "Zarr store"),
        (["decompress", "archive", "-o", "archive/x"], "Zarr store"),
        (["decompress", "archive", "-o", "i.zarr"], "Zarr store"),
        (["palette", "p", "-o", "archive/p.gpl"], "Zarr store"),
        (["compress", "p", "-o", "a", "--png", "i.zarr/x"], "Zarr store"),
        (
            ["compress", "p", "-o", "a", "--png", "q", "--sheet", "q/s.png"],
            "q/s.png lies inside q;",
        ),
        (["palette", "p", "-o", "q.png", "-o", "./q.png"], "./q.png is the same place as q.png"),
        (["ingest", "x.npy", "-o", "x.npy"], "x.npy is the same place as x.npy"),
        (["ingest", "file://{0}/x.npy", "-o", "x.npy"], "x.npy is the same place as file:///"),
    ],
)
def test_outputs_do_not_meet_each_other_or_enter_stores(home, arguments, message):
    before = digest(home)
    given = [str(a).format(home) for a in arguments]
    said = run(*given, "--overwrite", code=1)
    assert re.search(message, said)
    assert digest(home) == before


_KINDS = ["model", "labels", "sweep", "archive", "ingested", "ckpt"]
_WRITERS = {
    "model": ["fit", "i.zarr", "-k", 3, "--overwrite", "-o"],
    "labels": ["predict", "model", "i.zarr", "--overwrite", "-o"],
    "sweep": ["sweep", "i.zarr", "-k", "1:3", "--overwrite", "-o"],
    "archive": ["compress", "p", "-k", 4, "--overwrite", "-o"],
    "ingested": ["ingest", "x.npy", "--overwrite", "-o"],
}


@pytest.mark.parametrize("writer", _WRITERS)
@pytest.mark.parametrize("there", _KINDS)
def test_overwrite_replaces_its_own_kind_only(home, writer, there):
    if writer == there:
        run(*_WRITERS[writer], there if there != "labels" else "labels")
        assert not [path for path in os.listdir(home) if ".replaced" in path or ".partial" in path]
        return
    if writer == "labels" and there == "model":
        return  # it is also an input, and is refused for that reason
    before = digest(home / there)
    said = run(*_WRITERS[writer], there, code=1)
    assert "is not replaced by" in said
    assert digest(home / there) == before


def test_labels_of_a_fit_do_not_replace_a_checkpoint(home):
    before = digest(home)
    said = run("fit", "i.zarr", "-k", 3, "-o", "m", "--labels", "ckpt", "--overwrite", code=1)
    assert "is a streamkm checkpoint and is not replaced by a streamkm labels" in said
    assert digest(home) == before


def test_estimators_check_the_same(home):
    x = zarr.open_array(home / "i.zarr")
    km = streamkm.KMeans(2, random_state=0, checkpoint=str(home / "i.zarr" / "ckpt"))
    for data in (x, "i.zarr", f"file://{home}/i.zarr"):
        with pytest.raises(StreamkmError, match=MEETS):
            km.fit(data)
    km = streamkm.KMeans(2, random_state=0).fit(x)
    for data in (x, "i.zarr", f"file://{home}/i.zarr"):
        with pytest.raises(OutputExistsError, match=MEETS):
            km.write_labels(data, "i.zarr", overwrite=True)
    with pytest.raises(OutputExistsError, match="is not replaced by"):
        km.save("archive", overwrite=True)
    with pytest.raises(OutputExistsError, match="Zarr store"):
        streamkm.images.decompress("archive", "archive/files")
    with pytest.raises(OutputExistsError, match="is not replaced by"):
        streamkm.images.compress("p", "model", 4, overwrite=True)
    with pytest.raises(OutputExistsError, match="is not replaced by"):
        streamkm.ingest("x.npy", "model", overwrite=True)


def test_labels_into_an_array_that_is_open_do_not_replace_an_input(home):
    x = zarr.open_array(home / "i.zarr")
    km = streamkm.KMeans(2, random_state=0).fit(x)
    mask = zarr.create_array(home / "mask", data=np.arange(200) % 3 > 0, chunks=(50,))
    codes = zarr.create_array(home / "codes", data=mask[...].astype("u1"), chunks=(50,))
    for given in (codes, str(home / "codes"), zarr.open_array(home / "codes", mode="r")):
        with pytest.raises(OutputExistsError, match="codes is the same place as"):
            km.write_labels(x, codes, mask=given)
    column = zarr.create_array(home / "column", data=np.ones((50, 1), "u1"), chunks=(50, 1))
    flat = streamkm.KMeans(1).fit(column)
    with pytest.raises(OutputExistsError, match="is the same place as"):
        flat.write_labels(column, column)
    assert np.array_equal(codes[...], mask[...])
    out = zarr.create_array(home / "out", shape=(200,), dtype="u1", chunks=(50,))
    km.write_labels(x, out, mask=codes)
    assert set(out[...]) == {0, 1, 255}


def test_no_output_goes_into_a_store_of_others(home):
    import dask.array as da
    import xarray as xr

    values = np.random.default_rng(0).normal(size=(40, 2))
    xr.Dataset({"q": (("n", "f"), values)}).to_zarr(home / "cube", consolidated=False)
    before = digest(home)
    opened = xr.open_zarr(home / "cube", consolidated=False)["q"]
    km = streamkm.KMeans(2, random_state=0).fit(values)
    for data, out in (
        (opened, home / "cube" / "labels"),
        (opened, home / "cube" / "q" / "labels"),
        (da.from_zarr(str(home / "cube" / "q")), home / "cube" / "q" / "labels"),
        (values, home / "i.zarr" / "labels"),
    ):
        with pytest.raises(OutputExistsError, match="which is a Zarr store"):
            km.write_labels(data, out)
    with pytest.raises(OutputExistsError, match="which is a Zarr store"):
        km.save(home / "cube" / "model")
    assert digest(home) == before


def test_messages_name_places_as_they_are(home):
    with pytest.raises(OutputExistsError, match=r"^i.zarr is the same place as /[^/].*/i.zarr;"):
        streamkm.outputs.refuse_overlap("i.zarr", zarr.open_array(home / "i.zarr"))
    with pytest.raises(OutputExistsError, match=r"^/[^/].*/i.zarr lies inside \.;"):
        streamkm.outputs.refuse_overlap(".", zarr.open_array(home / "i.zarr"))
    assert str(streamkm.outputs.place_of("s3a://bucket//a/b")) == "s3://bucket/a/b"
    memory = zarr.create_array(zarr.storage.MemoryStore(), shape=3, dtype="u1", name="a/b")
    with pytest.raises(OutputExistsError, match="^a Zarr store in memory/a/b is the same place as"):
        streamkm.outputs.refuse_overlap(memory, memory)


def test_a_file_url_is_a_local_output(home):
    run("fit", "i.zarr", "-k", 2, "-o", f"file://{home}/new")
    assert streamkm.load_model(home / "new").centroids.shape == (2, 2)
    run("decompress", "archive", "-o", f"file://{home}/files")
    assert sorted(os.listdir(home / "files")) == ["a.png", "b.png"]


@pytest.mark.parametrize("output", ["s3://bucket/x", "memory://x", ""])
def test_outputs_elsewhere_are_refused(home, output):
    before = digest(home)
    message = "name the output" if not output else "local folder"
    for arguments in (
        ["fit", "i.zarr", "-k", 2, "-o"],
        ["fit", "i.zarr", "-k", 2, "-o", "m", "--labels"],
        ["fit", "i.zarr", "-k", 2, "-o", "m", "--plot"],
        ["sweep", "i.zarr", "-k", "1:2", "-o"],
        ["predict", "model", "i.zarr", "-o"],
        ["compress", "p", "-o"],
        ["compress", "p", "-o", "a", "--png"],
        ["compress", "p", "-o", "a", "--palettes"],
        ["compress", "p", "-o", "a", "--sheet"],
        ["decompress", "archive", "-o"],
        ["palette", "p", "-o"],
        ["ingest", "x.npy", "-o"],
    ):
        assert message in run(*arguments, output, code=1), arguments
    with pytest.raises(DataError):
        streamkm.images.decompress("archive", output)
    assert digest(home) == before


@pytest.mark.parametrize("suffix", [".npz", ".CSV", ".zip", ".geojson", ".hdf"])
def test_a_store_is_not_named_like_a_file_of_another_kind(tmp_path, suffix):
    """A folder of the name labels.csv would be found by nobody who looks for a table."""
    x = np.random.default_rng(0).random((200, 3))
    zarr.save_array(tmp_path / "x.zarr", x)
    model, data, wrong = tmp_path / "m.zarr", tmp_path / "x.zarr", tmp_path / f"out{suffix}"
    run("fit", data, "-k", 2, "-o", model)
    for command in (
        ("fit", data, "-k", 2, "-o", wrong),
        ("fit", data, "-k", 2, "-o", tmp_path / "n.zarr", "--labels", wrong),
        ("predict", model, data, "-o", wrong),
        ("sweep", data, "-k", "2:3", "-o", wrong),
    ):
        said = " ".join(run(*command, code=1).split())
        assert f"not a {suffix.lower()} file" in said
        formats = "or one of .npy, .nc, .parquet, .tif" in said
        assert formats == ("--labels" in command or "predict" in command)
    km = streamkm.KMeans(2, random_state=0).fit(x)
    with pytest.raises(DataError, match=r"give it the suffix \.zarr"):
        km.save(wrong)
    with pytest.raises(DataError, match=r"\.npy, \.nc, \.parquet"):
        km.write_labels(x, wrong)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.zarr", "x.zarr"]
