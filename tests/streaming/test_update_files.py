"""Files that grow: of a folder, a pattern or a single file only what is new is read."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections import Counter

import fsspec
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xarray as xr
import zarr
from click.testing import CliRunner
from fsspec.implementations.local import LocalFileSystem

import streamkm
from streamkm import StreamingKMeans
from streamkm.cli import main
from streamkm.errors import DataChangedError, DataError, StreamkmWarning
from streamkm.models.storage import load_model
from streamkm.rows import SeenFile, SeenFiles, open_rows
from tests.conftest import mixture

N = 2000  # rows of a file
X = np.asarray(mixture(4 * N, 3, 4, seed=7), np.float64)
READ = Counter()  # bytes that were read of each file


class _Counted(io.FileIO):
    def readinto(self, buffer):
        n = super().readinto(buffer)
        READ[os.path.basename(self.name)] += n
        return n


class _Files(LocalFileSystem):
    """A file system of local files that counts the bytes that are read of each file."""

    protocol = "counted"

    def _open(self, path, *given, **named):
        return io.BufferedReader(_Counted(path), 256)


fsspec.register_implementation("counted", _Files, clobber=True)


def write_npy(path, rows):
    np.save(path, rows)


def write_parquet(path, rows):
    table = pa.table(dict(zip("abc", rows.T, strict=True)))
    pq.write_table(table, path, compression=None, use_dictionary=False)


def write_netcdf(path, rows):
    """A variable of the dimensions time, place and band, which is contiguous."""
    days = np.arange(len(rows) // 500) + 100 * ord(path.name[0])
    cube = xr.DataArray(
        rows.reshape(-1, 500, 3), dims=("time", "place", "band"), coords={"time": days}, name="v"
    )
    cube.to_netcdf(path, engine="h5netcdf")


KINDS = {".npy": write_npy, ".parquet": write_parquet, ".nc": write_netcdf}


@pytest.fixture(params=KINDS)
def files(request, tmp_path):
    """Return a function that writes a file of the folder, and the pattern of its URL."""

    def write(name, start, stop):
        KINDS[request.param](tmp_path / f"{name}{request.param}", X[start:stop])

    return write, f"counted://{tmp_path}/*{request.param}"


def model(where):
    return StreamingKMeans(4, random_state=0, feature_dim="band" if ".nc" in where else None)


def updated(km, where, **named):
    READ.clear()
    return km.update(where, **named)


def opened(where):
    """Bytes that are read of each file if no rows are read."""
    READ.clear()
    names = list("abc") if ".parquet" in where else None  # as for a model of these columns
    open_rows(where, feature_dim="band" if ".nc" in where else None, names=names)
    return Counter(READ)


def extent(changes, where):
    each = 500 if ".nc" in where else 1
    return tuple((a * each, b * each) for a, b in changes)


def holds_rows(km, rows):
    return np.array_equal(np.sort(km.summary_.rows, axis=0), np.sort(rows, axis=0))


def test_files_that_are_new_are_read_once_wherever_they_are_in_the_order(files):
    write, where = files
    write("a", 0, N)
    write("c", N, 2 * N)
    km = model(where).fit(where)
    write("b", 2 * N, 3 * N)
    opening = opened(where)
    changes = updated(km, where).changes_
    assert extent(changes["appended"], where) == ((N, 2 * N),)
    assert changes["changed"] == changes["removed"] == ()
    read = READ - opening
    assert [name[0] for name in read] == ["b"]  # of the others only what opening reads
    assert 1 <= read.total() / X[:N].nbytes < 4  # pyarrow reads footers again
    assert holds_rows(km, X[: 3 * N])
    assert (X[km._summary.numbers] == km.summary_.rows).all()  # positions are those of the stream
    before = km.cluster_centers_
    assert updated(km, where).changes_["appended"] == ()
    assert km.cluster_centers_ is before
    assert opening == READ


def test_a_file_that_grew_is_read_from_its_new_rows_on(files, tmp_path):
    write, where = files
    write("a", 0, N)
    km = model(where).fit(where)
    km.save(tmp_path / "m")
    km = streamkm.load(tmp_path / "m")
    write("a", 0, 2 * N)
    write("b", 2 * N, 3 * N)
    opening = opened(where)
    assert extent(updated(km, where).changes_["appended"], where) == ((N, 3 * N),)
    if ".parquet" not in where:  # whose row groups are read as a whole
        read = READ - opening
        assert read[next(name for name in read if name.startswith("a"))] < 1.6 * X[:N].nbytes
    assert holds_rows(km, X[: 3 * N])
    write("a", 0, 2 * N)  # the same values again
    with pytest.raises(DataChangedError, match=r"changed .*0:.*/a\.") as caught:
        km.update(where)
    assert "b." not in str(caught.value)
    assert km.n_rows_seen_ == 3 * N
    with pytest.warns(StreamkmWarning, match="keeps these rows as they were read"):
        km.update(where, changed="keep")
    assert updated(km, where).n_rows_seen_ == 3 * N


def test_a_file_that_grew_and_has_other_rows_is_refused(files):
    write, where = files
    write("a", 0, N)
    write("b", N, 2 * N)
    km = model(where).fit(where)
    write("b", 2 * N, 4 * N)
    with pytest.raises(DataChangedError, match=r"changed .*/b\.") as caught:
        km.update(where)
    assert "/a." not in str(caught.value)


@pytest.fixture
def folder(tmp_path):
    """A folder of three npy files of N rows."""
    (tmp_path / "x").mkdir()
    for at, name in enumerate("abc"):
        np.save(tmp_path / "x" / f"{name}.npy", X[at * N : (at + 1) * N])
    return tmp_path / "x"


def test_files_that_are_gone_or_shorter_are_refused_by_name_or_kept(folder):
    km = StreamingKMeans(4, random_state=0).fit(folder)
    (folder / "b.npy").unlink()
    np.save(folder / "c.npy", X[: N // 2])
    np.save(folder / "d.npy", X[3 * N :])
    why = r"x: changed rows 2,000:3,000 \(\S*c.npy\), removed rows 2,000:4,000, 5,000:6,000"
    with pytest.raises(DataChangedError, match=why):
        km.update(folder)
    with pytest.warns(StreamkmWarning, match="removed rows"):
        km.update(folder, changed="keep")
    assert km.changes_["appended"] == ((N + N // 2, 2 * N + N // 2),)
    assert km.n_rows_seen_ == 4 * N
    assert km.update(folder).changes_ == {"appended": (), "changed": (), "removed": ()}


def test_files_are_known_one_by_one_by_a_pattern_and_after_a_move(folder):
    km = (
        StreamingKMeans(4, random_state=0)
        .partial_fit(folder / "b.npy")
        .partial_fit(folder / "a.npy")
    )
    assert km.update(folder).changes_["appended"] == ((2 * N, 3 * N),)
    assert holds_rows(km, X[: 3 * N])
    np.save(folder / "d.npy", X[3 * N :])
    assert km.update(folder / "d.npy").n_rows_seen_ == 4 * N  # the others are not gone
    assert km.update(str(folder / "[ad].npy")).n_rows_seen_ == 4 * N
    assert km.update(folder).n_rows_seen_ == 4 * N
    moved = shutil.move(folder, folder.parent / "y")
    assert km.update(moved).changes_ == {"appended": (), "changed": (), "removed": ()}
    shutil.copy(moved / "a.npy", moved / "e.npy")
    assert km.update(moved).n_rows_seen_ == 5 * N


def test_the_command_adds_files_to_the_model_and_names_them(folder, tmp_path):
    def run(*words, code=0):
        said = CliRunner().invoke(main, [*map(str, words)])
        assert said.exit_code == code, said.output
        return said.output

    run("stream", folder, "-k", 4, "-o", tmp_path / "m")
    np.save(folder / "b2.npy", X[3 * N :])
    said = run("update", tmp_path / "m", folder, "--json")
    assert f"{folder}: appended rows 4,000:6,000 ({folder / 'b2.npy'})\n" in said
    assert json.loads(said.splitlines()[-1])["rows_added"] == N
    km = StreamingKMeans(4, random_state=0).fit(folder)
    assert streamkm.load(tmp_path / "m").counts_.sum() == km.counts_.sum()
    assert "nothing new" in run("update", tmp_path / "m", folder)
    (folder / "a.npy").unlink()
    said = run("update", tmp_path / "m", folder, code=1)
    assert f"removed rows 0:2,000 ({folder / 'a.npy'})" in said


def test_variables_of_one_file_grow_together_and_are_told_apart(tmp_path):
    def write(n):
        with h5py.File(tmp_path / "x.h5", "w") as file:
            for at, name in enumerate("pqr"):
                file[name] = X[:n, at]

    write(N)
    both = ["--variable", "p", "--variable", "q"]
    words = ["stream", str(tmp_path / "x.h5"), *both, "-k", "4", "-o", str(tmp_path / "m")]
    assert CliRunner().invoke(main, words).exit_code == 0
    write(2 * N)
    words = ["update", str(tmp_path / "m"), str(tmp_path / "x.h5")]
    assert "appended rows 2,000:4,000" in CliRunner().invoke(main, words).output
    assert holds_rows(streamkm.load(tmp_path / "m"), X[: 2 * N, :2])


@pytest.mark.parametrize("option", ["--weights", "--mask"])
def test_weights_and_masks_of_a_stream_grow_with_its_store(option, tmp_path):
    x, beside = X[:600], np.arange(600) % 3
    group = zarr.create_group(tmp_path / "g")
    group.create_array("x", data=x[:450], chunks=(100, 3))
    group.create_array("w", data=beside[:450], chunks=(100,))

    def run(*words, code=0):
        said = CliRunner().invoke(main, [*map(str, words)])
        assert said.exit_code == code, said.output
        return said.output

    words = ("--variable", "x", option, "w", "-k", 3, "-o", tmp_path / "m")
    run("stream", tmp_path / "g", *words)
    for name, values in {"x": x, "w": beside}.items():
        group[name].append(values[450:])
    run("update", tmp_path / "m", tmp_path / "g")  # with the array of the stream
    named = {"--weights": "sample_weight", "--mask": "mask"}
    want = StreamingKMeans(3, random_state=0).fit(x, **{named[option]: beside})
    found = streamkm.load(tmp_path / "m")
    assert found.counts_.sum() == want.counts_.sum()
    assert found.n_rows_seen_ == want.n_rows_seen_
    np.save(tmp_path / "other.npy", np.ones(600))
    zarr.create_group(tmp_path / "g2").create_array("x", data=x.T, chunks=(3, 200))
    again = ("update", tmp_path / "m", tmp_path / "g2", "--feature-dim", 0)
    assert f"{option} 'v': 'v' is no path, coordinate or array" in run(*again, option, "v", code=1)
    run(*again, option, tmp_path / "other.npy")
    assert streamkm.load(tmp_path / "m").n_rows_seen_ == found.n_rows_seen_ + 600
    assert f"{option} is not for -" in run(
        "stream", "-", option, "w", "-k", 3, "-o", tmp_path / "n", code=2
    )


def test_nodata_of_an_update_is_that_of_the_stream_unless_another_is_given(tmp_path):
    x = X[:300].copy()
    x[::10] = -999
    array = zarr.create_array(tmp_path / "x", data=x[:200], chunks=(100, 3))
    words = ["-k", "3", "--nodata", "-999", "-o", str(tmp_path / "m")]
    assert CliRunner().invoke(main, ["stream", str(tmp_path / "x"), *words]).exit_code == 0
    array.append(x[200:250])
    update = ["update", str(tmp_path / "m"), str(tmp_path / "x")]
    assert CliRunner().invoke(main, update).exit_code == 0
    assert streamkm.load(tmp_path / "m").n_rows_seen_ == 225
    array.append(x[250:])
    assert CliRunner().invoke(main, [*update, "--nodata", "none"]).exit_code == 0
    assert streamkm.load(tmp_path / "m").n_rows_seen_ == 275


def test_data_without_a_record_are_refused_and_others_are_not(folder, tmp_path):
    km = StreamingKMeans(4, random_state=0).partial_fit(X[:500])
    km.partial_fit(np.load(folder / "a.npy", mmap_mode="r"))
    km.save(tmp_path / "m")
    km = streamkm.load(tmp_path / "m")
    assert load_model(tmp_path / "m").unrecorded == (str(folder / "a.npy"),)
    for data in (folder, folder / "a.npy", str(folder / "[ab].npy")):
        with pytest.raises(DataError, match="does not know which part of .* it has read"):
            km.update(data)
    km.update(folder / "b.npy")
    assert km.n_rows_seen_ == 500 + 2 * N


def test_a_file_that_is_named_by_itself_and_in_its_folder_is_refused_before_any_read(tmp_path):
    folder, model = tmp_path / "x", str(tmp_path / "m")
    folder.mkdir()
    for name in "ab":
        write_npy(folder / f"{name}.npy", X[:50])
    streamkm.StreamingKMeans(2, random_state=0).fit(folder / "a.npy").save(model)
    whole, b = str(folder), str(folder / "b.npy")
    for data in ([whole, b], [b, whole]):
        expected = f"{data[0]} and {data[1]} both have {b}, so its rows would count twice"
        for words in (["stream", *data, "-k", "2", "-o", f"{model}2"], ["update", model, *data]):
            said = CliRunner().invoke(main, words)
            assert said.exit_code == 1
            assert expected in " ".join(said.output.split())
    assert streamkm.load(model).n_rows_seen_ == 50


def test_extents_of_changes_do_not_overlap():
    def files(*lengths, marks):
        pieces = ((0, 0, 3), (3, 3, 5))
        each = zip("ab", lengths, marks, strict=True)
        return SeenFiles("here", "alike", tuple(SeenFile(*file, pieces) for file in each))

    before, now = files(5, 5, marks="mn"), files(5, 9, marks="op")  # b has grown, a has not
    changes = now.changes_since(before)
    assert (changes.changed, changes.appended) == (((0, 5),), ((10, 14),))
    for piece in before.rewritten(now, 1):
        changes = before.with_differing(changes, now, piece)
        assert changes.changed == ((0, 10),)
