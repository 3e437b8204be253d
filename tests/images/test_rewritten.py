"""Files that were replaced under the same name are read again, also by a running process."""

from __future__ import annotations

import os
import shutil
import zipfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import zarr
from fsspec.implementations.memory import MemoryFileSystem

from streamkm import ingest
from streamkm.decoding.decode import decode, headers
from streamkm.errors import DataError, OutputExistsError
from streamkm.images import Archive, compress
from streamkm.images.compression.catalogue import Catalogue
from streamkm.images.sources import find_items
from tests.images.conftest import encoded, noise, put


def colours(items):
    """The first pixel of each image."""
    return [decode(headers(item)[0]).colour[0, 0].tolist() for item in items]


def stack(path, value, chunks=(4, 6, 5, 3)):
    data = np.full((4, 6, 5, 3), value, np.uint8)
    return zarr.create_array(path, data=data, chunks=chunks, overwrite=True)


@pytest.mark.parametrize("chunks", [(1, 6, 5, 3), (4, 6, 5, 3)])
def test_a_zarr_that_was_rewritten_is_compressed_anew(chunks, tmp_path):
    for value in (7, 201):
        stack(tmp_path / "s.zarr", value, chunks)
        archive = compress(tmp_path / "s.zarr", tmp_path / f"{value}.zarr", 2)
        assert set(np.unique(archive.pixels("s/000003"))) == {value}


def test_a_zarr_of_another_layout_under_the_same_name(tmp_path):
    for shape, chunks in (((4, 6, 5, 3), (4, 6, 5, 3)), ((2, 6, 5), (2, 6, 5))):
        values = noise(*shape)
        zarr.create_array(tmp_path / "s.zarr", data=values, chunks=chunks, overwrite=True)
        items = find_items([tmp_path / "s.zarr"]).items
        found = [decode(headers(item)[0]).colour for item in items]
        assert np.array_equal(found, values.reshape(*shape[:3], -1))


def test_a_worker_that_lives_on_keeps_no_old_pixels(tmp_path):
    with ProcessPoolExecutor(1, get_context("spawn")) as worker:
        for value in (7, 201):
            stack(tmp_path / "s.zarr", value)
            items = find_items([tmp_path / "s.zarr"]).items
            assert worker.submit(colours, items).result() == [[value] * 3] * 4


def test_a_zip_of_the_same_size_and_time(tmp_path):
    path = tmp_path / "z.zip"
    for number, value in enumerate((7, 201)):
        image = encoded(np.full((6, 5, 3), value, np.uint8), "BMP")
        with zipfile.ZipFile(tmp_path / f"{number}", "w") as out:
            out.writestr(zipfile.ZipInfo("a.bmp"), image)
        os.replace(tmp_path / f"{number}", path)
        os.utime(path, (10**9, 10**9))
        assert colours(find_items([path]).items) == [[value] * 3]


def test_a_run_does_not_go_on_with_a_zarr_that_was_rewritten(tmp_path, monkeypatch):
    stack(tmp_path / "s.zarr", 7)
    monkeypatch.setattr("streamkm.images.compression.run.Run.encode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compress(tmp_path / "s.zarr", tmp_path / "a.zarr", 2)
    stack(tmp_path / "s.zarr", 201)
    with pytest.raises(OutputExistsError, match="images changed"):
        compress(tmp_path / "s.zarr", tmp_path / "a.zarr", 2)


def interrupted(run):
    raise KeyboardInterrupt


def test_two_searches_of_one_zarr_have_one_digest(tmp_path):
    stack(tmp_path / "s.zarr", 7)
    seen = [
        Catalogue(tuple(headers(item)[0] for item in find_items([tmp_path / "s.zarr"]).items))
        for _ in range(2)
    ]
    assert seen[0].digest == seen[1].digest


def test_listings_that_a_file_system_keeps_are_asked_for_again(tmp_path, monkeypatch):
    """File systems of object stores cache listings, in one object for the whole process."""
    kept, find = {}, MemoryFileSystem.find

    def listed(fs, path, **options):
        return kept.setdefault(path, find(fs, path, **options))

    monkeypatch.setattr(MemoryFileSystem, "find", listed)
    monkeypatch.setattr(MemoryFileSystem, "invalidate_cache", lambda *_: kept.clear())
    folder = tmp_path.name
    for count in (1, 2):
        for number in range(count):
            image = encoded(noise(6, 5, 3, seed=number))
            MemoryFileSystem().pipe_file(f"/{folder}/{number}.png", image)
        assert len(find_items([f"memory://{folder}"]).items) == count
        store = ingest(f"memory://{folder}", tmp_path / f"{count}.zarr")
        assert store.shape[0] == count


def test_an_open_archive_does_not_answer_for_the_one_that_replaced_it(tmp_path):
    for number in range(2):
        put(tmp_path / "in", f"{number}.png", encoded(noise(6, 5, 3, seed=number)))
    compress(tmp_path / "in", tmp_path / "a.zarr", 4)
    before = Archive(tmp_path / "a.zarr")
    assert list(before) == ["0.png", "1.png"]
    (tmp_path / "in" / "0.png").unlink()
    compress(tmp_path / "in", tmp_path / "a.zarr", 4, overwrite=True)
    for ask in (before.pixels, before.codes, before.palette, before.metadata, before.__getitem__):
        with pytest.raises(DataError, match="was replaced after it was opened; open it again"):
            ask("0.png")
    assert list(Archive(tmp_path / "a.zarr")) == ["1.png"]
    shutil.rmtree(tmp_path / "a.zarr")
    with pytest.raises(DataError, match="was replaced"):
        before.pixels("0.png")
