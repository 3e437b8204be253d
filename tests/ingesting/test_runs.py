"""Killed runs resume, other commands are refused, and memory does not grow with the rows."""

from __future__ import annotations

import hashlib
import os
import re
import resource
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import zarr

import streamkm
from streamkm.checkpoint import FileLock
from streamkm.errors import DataError, OutputExistsError
from streamkm.ingesting import csv, geotiff, parquet
from streamkm.ingesting.source import Stream
from tests.ingesting.conftest import (
    SMALL,
    run,
    write_images,
    write_scene,
    write_table,
    write_tar,
)

SIZES = {"chunk": "1KiB", "shard": "4KiB"}


def digest(store):
    found = hashlib.sha256()
    for path in sorted(p for p in store.rglob("*") if p.is_file()):
        found.update(str(path.relative_to(store)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


class Stopped(Exception):
    """Interrupts an ingest after some shards."""


def stop_after(shards):
    def see(progress):
        if progress.done == shards:
            raise Stopped

    return see


def broken_off(*arguments, **options):
    with pytest.raises(Stopped):
        streamkm.ingest(*arguments, **options, watch=[stop_after(2)])


@pytest.mark.parametrize("kind", ["npy", "csv", "parquet", "geotiff", "tar"])
def test_killed_anywhere_it_ends_with_the_same_bytes(kind, x, tmp_path):
    more = []
    if kind == "npy":
        np.save(tmp_path / "x.npy", x)
        source = tmp_path / "x.npy"
    elif kind == "geotiff":
        write_scene(tmp_path / "s.tif")
        source = tmp_path / "s.tif"
    elif kind == "tar":
        write_images(tmp_path / "im", 33)
        for number in (0, 5, 30):
            (tmp_path / "im" / f"{number:03}.png").write_bytes(b"no image")
        source, more = write_tar(tmp_path / "im.tgz", tmp_path / "im"), ["--skip-bad"]
    else:
        options = {"row_group_size": 90} if kind == "parquet" else {}
        source = write_table(tmp_path, x[:400], kind, **options)
    runs = tmp_path / "runs"
    runs.mkdir()
    command = ["ingest", source, *SMALL, *more]
    words = [str(word) for word in ("tests.ingesting.killed", runs, 5, *command)]
    subprocess.run([sys.executable, "-m", *words], check=True, timeout=300)
    undisturbed = digest(runs / "0" / "o.zarr")
    stores = list(runs.glob("*/o.zarr"))
    assert len(stores) > 8
    for store in stores:
        assert digest(store) == undisturbed, store
        left = set(os.listdir(store.parent)) - {"events", "again", ".o.zarr.lock"}
        assert left == {"o.zarr"}


def test_what_was_written_is_not_read_again(x, tmp_path):
    np.save(tmp_path / "x.npy", x)
    names = tmp_path / "x.npy", tmp_path / "o.zarr"
    broken_off(*names, **SIZES)
    seen = []
    streamkm.ingest(*names, **SIZES, watch=[seen.append])
    assert seen[0].done == 3
    assert (seen[-1].done, seen[-1].total) == (6, 6)
    assert seen[-1].nbytes == x.nbytes


def test_other_sources_or_options_are_refused_until_overwritten(x, tmp_path):
    source, out = tmp_path / "x.npy", tmp_path / "o.zarr"
    np.save(source, x)
    broken_off(source, out, **SIZES)
    with pytest.raises(
        OutputExistsError, match="differs from this one: dtype was None, is now float64"
    ):
        streamkm.ingest(source, out, **SIZES, dtype="f8")
    times = source.stat().st_atime, source.stat().st_mtime + 1
    os.utime(source, times)
    with pytest.raises(
        OutputExistsError, match="x.npy names, sizes and times changed. .*overwrite=True"
    ):
        streamkm.ingest(source, out, **SIZES)
    np.save(source, x[:500])
    with pytest.raises(OutputExistsError, match="x.npy bytes was 24128, is now 12128"):
        streamkm.ingest(source, out, **SIZES)
    made = streamkm.ingest(source, out, **SIZES, overwrite=True)
    assert np.array_equal(made[...], x[:500])
    with pytest.raises(OutputExistsError, match="exists; name another output, or overwrite it"):
        streamkm.ingest(source, out, **SIZES)
    assert sorted(os.listdir(tmp_path)) == ["o.zarr", "x.npy"]


def test_two_runs_do_not_write_one_store(x, tmp_path):
    np.save(tmp_path / "x.npy", x)
    lock = FileLock(tmp_path / "o.zarr")
    with pytest.raises(OutputExistsError, match="is being written by another run"):
        streamkm.ingest(tmp_path / "x.npy", tmp_path / "o.zarr")
    lock.release()


def test_bad_data_leave_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(csv, "_BLOCK", 1024)  # the first one determines the types of the columns
    (tmp_path / "t.csv").write_text("a,b\n" + "1,2\n" * 1000 + "3,oops\n")
    said = run("ingest", tmp_path / "t.csv", "-o", tmp_path / "o.zarr", code=1).stderr
    assert "t.csv: column 'b': Row #1002: CSV conversion error to double" in said
    assert os.listdir(tmp_path) == ["t.csv"]


def test_a_file_that_is_cut_short_is_seen_before_any_is_read(x, tmp_path):
    np.save(tmp_path / "a.npy", x)
    (tmp_path / "b.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-8])
    seen = []
    with pytest.raises(DataError, match=r"b.npy is shorter than its header says"):
        streamkm.ingest(tmp_path / "*.npy", tmp_path / "o.zarr", **SIZES, watch=[seen.append])
    assert not seen


def test_ctrl_c_says_how_to_go_on(x, tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", x)
    words = ("ingest", tmp_path / "x.npy", "-o", tmp_path / "o.zarr", *SMALL)

    def interrupt(bar, progress):
        if progress.done == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("streamkm.cli.commands.ingest.ProgressBar.show", interrupt)
        assert "run the same command to resume" in run(*words, code=130).stderr
    assert not (tmp_path / "o.zarr").exists()
    run(*words)
    assert np.array_equal(zarr.open_group(tmp_path / "o.zarr")["x"][...], x)


def test_a_full_disk_is_one_line_and_gone_on_with(tmp_path):
    x = np.random.default_rng(0).random((4000, 8))
    np.save(tmp_path / "x.npy", x)
    words = ["ingest", tmp_path / "x.npy", "-o", tmp_path / "o.zarr", "--shard", "64KiB"]
    command = [sys.executable, "-m", "streamkm", *map(str, words), "--chunk", "16KiB"]

    def no_large_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    failed = subprocess.run(command, preexec_fn=no_large_files, capture_output=True, text=True)
    assert failed.returncode == 1
    assert failed.stderr.startswith("Error: [Errno 27] File too large")
    assert failed.stderr.count("\n") == 1
    assert not (tmp_path / "o.zarr").exists()
    subprocess.run(command, check=True, capture_output=True)
    assert np.array_equal(zarr.open_group(tmp_path / "o.zarr")["x"][...], x)


MISUSES = [
    (["none.npy"], [], "none.npy: there is no such file or folder"),
    (["*.pq"], [], "contains no files that ingest reads"),
    (["empty"], [], "contains no files that ingest reads"),
    (["notes.txt"], [], "notes.txt has no known suffix"),
    (["x.npy", "t.csv"], [], r"several kinds \(csv, npy\)"),
    (
        ["x.npy", "wide.npy"],
        [],
        r"wide.npy holds float64 of shape \(2, 9\), but .*x.npy holds float32",
    ),
    (["none.npy", "text.npy"], [], "there is no such file"),
    (["text.npy"], [], "text.npy holds <U1; only real numbers"),
    (["cut.npy"], [], "cut.npy is shorter than its header says"),
    (["no.npy"], [], "no.npy is not an npy file"),
    (["none.rows.npy"], [], "the data are empty"),
    (["x.npy"], ["--columns", "a"], "--columns is for csv and parquet, not for npy"),
    (["x.npy"], ["--variable", "a"], "--variable is for npz, not for npy"),
    (["x.npy"], ["--dtype", "uint8"], "uint8 cannot represent"),
    (["x.npy"], ["--dtype", "complex64"], "dtype complex64 cannot be clustered"),
    (["x.npy"], ["--dtype", "flaot"], "'flaot' is not a dtype"),
    (["x.npy"], ["-o", "x.npy/o"], "x.npy/o lies inside x.npy"),
    (["x.npy"], ["-o", "s3://b/o"], "is not local; write the output to a local folder"),
    (["foo://x.npy"], [], "foo://x.npy cannot be reached .*Protocol not known"),
    (["t.csv"], ["--columns", "f1,z"], "has no column 'z'; it has"),
    (["t.csv"], ["--columns", "city"], "column 'city': Row #2: CSV conversion error"),
    (["words.csv"], [], "has no numeric column, only"),
    (["bare.csv"], [], "begins with numbers .* pass --no-header"),
    (["head.csv"], [], "head.csv has no rows"),
    (["nothing.csv"], [], "nothing.csv: Empty CSV file"),
    (["twice.csv"], [], "two columns called 'a'"),
    (["t.csv", "words.csv"], ["--columns", "f1"], "words.csv: .*f1"),
    (["gaps.csv"], ["--dtype", "int32"], "column 'b' has 1 missing values"),
    (["no.parquet"], [], "no.parquet cannot be read as Parquet"),
    (["t.parquet"], ["--columns", "city"], "column 'city' holds string, not numbers"),
    (["t.parquet"], ["--columns", "z"], "has no column 'z'"),
    (["no.tif"], [], "no.tif cannot be read as a raster"),
    (["no.tar"], [], "no.tar is damaged"),
    (["no.npz"], [], "no.npz is not an npz file"),
]


@pytest.mark.parametrize(("sources", "options", "message"), MISUSES)
def test_misuse_is_one_line_that_names_cause_and_fix(
    sources, options, message, x, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", x)
    np.save("wide.npy", np.zeros((2, 9)))
    np.save("text.npy", np.array(["a"]))
    np.save("none.rows.npy", x[:0])
    (tmp_path / "cut.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-8])
    for name in ("no.npy", "no.npz", "no.parquet", "no.tif", "no.tar"):
        (tmp_path / name).write_bytes(b"nothing of the kind" * 40)
    (tmp_path / "empty").mkdir()
    texts = {
        "notes.txt": "hello",
        "words.csv": "p;q\nr;s\n",
        "bare.csv": "1,2\n3,4\n",
        "head.csv": "a,b\n",
        "nothing.csv": "",
        "twice.csv": "a,a\n1,2\n",
        "gaps.csv": "a,b\n1,2\n3,\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    write_table(tmp_path, x, "csv")
    write_table(tmp_path, x, "parquet")
    before = sorted(os.listdir())
    said = run("ingest", *sources, "-o", "o.zarr", *options, code=1).stderr
    assert said.startswith("Error: ")
    assert said.count("\n") == 1
    assert re.search(message, said), said
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (np.eye(2), r"not an array \(ndarray\): save it to a file first"),
        (3, "3 is not the path, URL or pattern"),
        ([], "no sources"),
    ],
)
def test_sources_that_are_no_paths_are_named(sources, message, tmp_path):
    with pytest.raises(DataError, match=message):
        streamkm.ingest(sources, tmp_path / "o.zarr")


@pytest.mark.parametrize(
    ("module", "name", "package"),
    [
        ("pyarrow", "t.csv", "pyarrow"),
        ("pyarrow", "t.parquet", "pyarrow"),
        ("rasterio", "s.tif", "rasterio"),
        ("PIL.Image", "i.png", "pillow"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(module, name, package, tmp_path, monkeypatch):
    (tmp_path / name).touch()
    monkeypatch.setitem(sys.modules, module, None)
    said = run("ingest", tmp_path / name, "-o", tmp_path / "o.zarr", code=1).stderr
    assert f"need {package}: pip install 'streamkm[ingest]'." in said


def test_a_long_npy_takes_the_memory_of_shards(tmp_path):
    x = np.zeros((1 << 16, 64), "f4")
    np.save(tmp_path / "x.npy", x)
    del x
    tracemalloc.start()
    streamkm.ingest(tmp_path / "x.npy", tmp_path / "o.zarr", chunk="64KiB", shard="256KiB")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 2**20  # the store has 16 MiB


def test_tables_and_images_come_in_pieces(x, tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "_BATCH", 4096)
    pieces = []
    read = Stream.read

    def counting(source, region):
        before = source.pieces

        def counted(start):
            for piece in before(start):
                pieces.append(len(piece.values))
                yield piece

        if "pieces" not in vars(source):
            source.pieces = counted
        return read(source, region)

    monkeypatch.setattr(Stream, "read", counting)
    streamkm.ingest(write_table(tmp_path, x, "parquet"), tmp_path / "p.zarr", **SIZES)
    assert sum(pieces) == 1000
    assert max(pieces) <= 4096 // 48
    pieces.clear()
    write_images(tmp_path / "im", 12)
    streamkm.ingest(tmp_path / "im", tmp_path / "i.zarr", **SIZES)
    assert pieces == [1] * 12


def test_a_scene_comes_in_windows(tmp_path, monkeypatch):
    values = write_scene(tmp_path / "s.tif")
    sizes = []
    read = geotiff.GeoTiff.read

    def measured(source, region):
        piece = read(source, region)
        sizes.append(piece.values.nbytes)
        return piece

    monkeypatch.setattr(geotiff.GeoTiff, "read", measured)
    streamkm.ingest(tmp_path / "s.tif", tmp_path / "o.zarr", **SIZES)
    assert sum(sizes) == values.nbytes
    assert max(sizes) <= 4096
