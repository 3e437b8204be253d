"""Files in place whose reads fail: one error, and nothing in them seems to be absent."""

from __future__ import annotations

import io

import fsspec
import h5netcdf
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from fsspec.implementations.memory import MemoryFileSystem

import streamkm
from streamkm.cli import main
from streamkm.errors import ReadError, StreamkmError
from streamkm.files.damage import damage
from streamkm.files.find import File
from streamkm.rows.coordinates import array_beside
from streamkm.rows.formats.base import unchanged

X = np.arange(48.0, dtype="f4").reshape(16, 3)


class Failing(io.BytesIO):
    """A file of which a read of some number, or the closing, fails."""

    left, closes, error = None, True, OSError(5, "Input/output error")

    def readinto(self, buffer):
        self._count()
        return super().readinto(buffer)

    def read(self, *size):
        self._count()
        return super().read(*size)

    def _count(self):
        if Failing.left is not None:
            Failing.left -= 1
            if Failing.left < 0:
                Failing.left = None
                raise Failing.error

    def close(self):
        super().close()
        if not Failing.closes:
            raise OSError(5, "Input/output error")


class StoreError(Exception):
    """An error of a network, which is no OSError."""


class FailingFiles(MemoryFileSystem):
    """Files in memory that are opened as `Failing`."""

    protocol = ("failing",)
    cachable = False
    store: dict = {}  # noqa: RUF012
    pseudo_dirs = [""]  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.removeprefix("failing:/"))

    broken = ()

    def info(self, path, **options):
        if "info" in FailingFiles.broken:
            raise StoreError("connection closed")
        return super().info(path, **options)

    def _open(self, path, mode="rb", **options):
        if "open" in FailingFiles.broken:
            raise StoreError("connection closed")
        opened = super()._open(path, mode, **options)
        return Failing(opened.getvalue()) if mode == "rb" else opened


@pytest.fixture
def failing(monkeypatch):
    fsspec.register_implementation("failing", FailingFiles, clobber=True)
    monkeypatch.setattr(Failing, "left", None)
    monkeypatch.setattr(Failing, "closes", True)
    monkeypatch.setattr(Failing, "error", Failing.error)
    monkeypatch.setattr(FailingFiles, "broken", ())
    return FailingFiles()


def netcdf(path):
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"time": 16, "feature": 3}
        file.create_variable("x", ("time", "feature"), data=X)
        file.create_variable("time", ("time",), data=np.arange(16.0))


def test_a_coordinate_whose_read_fails_does_not_seem_absent(failing, tmp_path):
    netcdf(tmp_path / "x.nc")
    failing.pipe_file("/x.nc", (tmp_path / "x.nc").read_bytes())
    array = streamkm.open_array("failing://x.nc", "x")
    number, found = 0, None
    while found is None:
        Failing.left = number
        try:
            found = array_beside(array, "time")
            assert found is not None, number
        except ReadError as error:
            assert "x.nc" in str(error)  # noqa: PT017
        number += 1
    Failing.left = None
    assert number > 3
    assert np.array_equal(found[...], np.arange(16.0))
    assert array_beside(array, "space") is None


def test_damaged_metadata_of_hdf5_are_one_error(tmp_path):
    path, right = tmp_path / "x.h5", 0
    with h5py.File(path, "w") as file:
        file["x"] = X
    content = path.read_bytes()
    start = content.index(X.tobytes())
    for at in range(0, start, 37):
        damaged = bytearray(content)
        damaged[at] ^= 255
        path.write_bytes(damaged)
        try:
            right += np.array_equal(streamkm.open_array(path)[...], X)
        except StreamkmError as error:
            assert str(path) in str(error)  # noqa: PT017
    assert right


def test_a_table_that_is_read_in_part_reports_that_its_file_cannot_be_closed(failing):
    written = io.BytesIO()
    pq.write_table(pa.table(dict(zip("abc", X.T, strict=True))), written)
    failing.pipe_file("/x.parquet", written.getvalue())
    array = streamkm.open_array("failing://x.parquet")
    assert np.array_equal(array[:5], X[:5])
    Failing.closes = False
    with pytest.raises(OSError, match="Input/output"):
        array[:5]


def test_a_flipped_bit_of_a_page_with_a_checksum_is_an_error(tmp_path):
    path = tmp_path / "x.parquet"
    table = pa.table({"a": X[:, 0]})
    options = {"use_dictionary": False, "compression": "none"}
    pq.write_table(table, path, write_page_checksum=True, **options)
    content = bytearray(path.read_bytes())
    content[content.index(X[:, 0].tobytes()) + 6] ^= 1
    path.write_bytes(content)
    with pytest.raises(OSError, match="CRC"):
        streamkm.open_array(path)[...]


def test_a_file_that_is_cut_while_it_is_read_is_an_error(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, X)
    fs = fsspec.filesystem("file")
    file = File.from_info(fs, str(path), fs.info(str(path)))
    with pytest.raises(ReadError, match="changed after it was opened"), unchanged(file):
        path.write_bytes(path.read_bytes()[:-8])


@pytest.mark.parametrize("what", ["open", "info"])
def test_errors_of_a_network_are_one_error_with_the_path(what, failing, tmp_path):
    netcdf(tmp_path / "x.nc")
    failing.pipe_file("/x.nc", (tmp_path / "x.nc").read_bytes())
    array = streamkm.open_array("failing://x.nc", "x")
    FailingFiles.broken = (what,)
    with pytest.raises(StreamkmError, match=r"x\.nc.*connection closed"):
        streamkm.open_array("failing://x.nc", "x")
    with pytest.raises(StreamkmError, match=r"x\.nc.*connection closed"):
        array.stamp if what == "info" else array[...]


def test_an_error_of_a_network_in_the_first_read_of_ingest_is_one_error(failing, tmp_path):
    failing.pipe_file("/x.csv", b"a,b\n1,2\n3,4\n")
    Failing.error, number, said = StoreError("connection closed"), 0, "connection closed"
    while "connection closed" in said:
        Failing.left, number = number, number + 1
        words = ["ingest", "failing://x.csv", "-o", str(tmp_path / f"{number}.zarr")]
        said = CliRunner().invoke(main, words, catch_exceptions=False).output
    assert number > 1


def test_an_error_of_a_network_while_an_image_is_read_is_no_damage():
    botocore = pytest.importorskip("botocore.exceptions")
    closed = botocore.EndpointConnectionError(endpoint_url="http://a", error="closed")
    with pytest.raises(ReadError, match="x cannot be read"), damage("x"):
        raise closed
