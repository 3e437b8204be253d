"""Paths are compared by the files that they refer to, not by their spelling."""

from __future__ import annotations

import os

import numpy as np
import pytest
import zarr
from zarr.storage import MemoryStore

from streamkm.outputs import place_of
from streamkm.outputs.places import relation


def same_or_nested(one, other):
    first, second = place_of(one), place_of(other, pattern=True)
    assert first is not None
    assert second is not None
    found = relation(first, second) is not None
    assert found == (relation(second, first) is not None)
    return found


@pytest.mark.parametrize(
    "spelled",
    [
        "{0}/i.zarr",
        "{0}/i.zarr/",
        "{0}/./x/../i.zarr",
        "file://{0}/i.zarr",
        "FILE://{0}/i.zarr",
        "local://{0}/i.zarr",
        "file://{0}//i.zarr/",
        "simplecache::file://{0}/i.zarr",
        "i.zarr",
        "./i.zarr",
        "file://i.zarr",
        "link.zarr",
        "file://{0}/link.zarr",
        "linked/i.zarr",
        "i.z*",
        "file://{0}/*.zarr",
        "**/*.zarr",
        "i.zarr/variable",
        ".",
    ],
)
def test_every_spelling_of_a_local_place_is_that_place(tmp_path, monkeypatch, spelled):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "i.zarr").mkdir()
    (tmp_path / "link.zarr").symlink_to(tmp_path / "i.zarr")
    (tmp_path / "linked").symlink_to(tmp_path)
    assert same_or_nested(tmp_path / "i.zarr", spelled.format(tmp_path))


@pytest.mark.parametrize("other", ["j.zarr", "i.zarr2", "*.npy", "x/i.zarr", "s3://i.zarr"])
def test_other_places_are_others(tmp_path, monkeypatch, other):
    monkeypatch.chdir(tmp_path)
    assert not same_or_nested(tmp_path / "i.zarr", other)


def test_a_name_with_brackets_that_exists_is_no_pattern(tmp_path):
    (tmp_path / "data[1].zarr").mkdir()
    assert not same_or_nested(tmp_path / "data1.zarr", str(tmp_path / "data[1].zarr"))
    assert same_or_nested(tmp_path / "data1.zarr", str(tmp_path / "data[12].zarr"))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("s3://bucket/a/b", "s3a://bucket//a/./b/", True),
        ("s3://bucket/a/b", "S3://bucket/a/b/c", True),
        ("s3://bucket/a/b", "s3://bucket/a/bc", False),
        ("s3://bucket/a/b", "s3://other/a/b", False),
        ("memory://a/b", "memory:///a/b", True),
        ("gs://b/x", "gcs://b/x", True),
        ("s3://b/x", "simplecache::s3://b/x", True),
        ("s3://b/x/a.png", "s3://b/x/*.png", True),
    ],
)
def test_remote_places(one, other, expected):
    assert same_or_nested(one, other) is expected


def test_opened_arrays_and_hard_identities(tmp_path):
    group = zarr.create_group(tmp_path / "i.zarr")
    array = group.create_array("x", data=np.ones((3, 2)))
    assert same_or_nested(tmp_path / "i.zarr", array)
    assert same_or_nested(tmp_path / "i.zarr" / "x" / "ckpt", array)
    assert not same_or_nested(tmp_path / "i.zarr" / "y", array)
    by_url = zarr.open_group(f"file://{tmp_path}/i.zarr", mode="r")
    assert same_or_nested(tmp_path / "i.zarr", by_url["x"])
    store = MemoryStore()
    held = zarr.create_array(store, data=np.ones(3))
    assert same_or_nested(store, held)
    assert not same_or_nested(MemoryStore(), held)
    assert place_of(np.ones(3)) is None
    os.link(tmp_path / "i.zarr" / "zarr.json", tmp_path / "second")  # as under a second mount point
    assert same_or_nested(tmp_path / "second", tmp_path / "i.zarr" / "zarr.json")
