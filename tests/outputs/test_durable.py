"""Outputs and checkpoints reach the disk before their names do, and old ones go after that."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

import streamkm
from streamkm.checkpoint import Generations
from streamkm.files import durable
from streamkm.outputs import LABELS, atomic, whole, whole_file
from streamkm.runs.steps_on_disk import StepsOnDisk

SYNC, RENAME, REPLACE = os.fsync, os.rename, os.replace


@pytest.fixture(autouse=True)
def synced(monkeypatch):
    monkeypatch.setenv(durable.OFF, "1")


class Disk:
    """What a loss of power would leave: files as they were synced, under names that were synced.

    Parameters
    ----------
    top : folder that is watched; calls are passed on to the system
    """

    def __init__(self, top):
        self.top = top
        self.bytes: dict[int, bytes] = {}  # by inode
        self.names: dict[int, dict[str, int]] = {}  # of folders, by inode
        self.crashes: list[Path] = []

    def watch(self, monkeypatch, after=None):
        def fsync(opened):
            SYNC(opened)
            self._synced(Path(os.readlink(f"/proc/self/fd/{opened}")))
            if after is not None:
                after(self)

        monkeypatch.setattr(os, "fsync", fsync)

    def _synced(self, path):
        own = path.stat().st_ino
        if path.is_dir():
            self.names[own] = {each.name: each.lstat().st_ino for each in path.iterdir()}
        else:
            self.bytes[own] = path.read_bytes()

    def after_loss(self, path, target):
        """Write what the disk has of a folder to another one."""
        self._written(path.stat().st_ino, target)

    def _written(self, inode, target):
        if inode in self.names:
            target.mkdir()
            for name, own in self.names[inode].items():
                self._written(own, target / name)
        else:
            target.write_bytes(self.bytes.get(inode, b""))


def test_a_store_survives_a_loss_of_power_once_it_has_its_name(tmp_path, monkeypatch):
    disk = Disk(tmp_path)
    disk.watch(monkeypatch)
    x = np.arange(60.0).reshape(20, 3)
    streamkm.KMeans(2, random_state=0).fit(x).save(tmp_path / "model")
    home = tmp_path / "home"
    disk.after_loss(tmp_path, home)
    np.testing.assert_array_equal(
        streamkm.load(home / "model").cluster_centers_,
        streamkm.load(tmp_path / "model").cluster_centers_,
    )


@pytest.mark.parametrize("exchanges", [True, False])
def test_an_old_store_is_removed_after_the_new_name_is_on_the_disk(
    exchanges, tmp_path, monkeypatch
):
    target, calls = tmp_path / "x", []
    monkeypatch.setattr(durable, "sync", lambda path: calls.append(("sync", path.name)))
    monkeypatch.setattr(atomic, "sync", lambda path: calls.append(("sync", path.name)))
    remove, exchange = atomic._remove, atomic.exchange

    def removing(folder, *more):
        if folder.exists():
            calls.append(("remove", folder.name.split("-")[0]))
        remove(folder, *more)

    monkeypatch.setattr(atomic, "_remove", removing)
    monkeypatch.setattr(atomic, "exchange", exchange if exchanges else lambda *_: False)
    for number in (1, 2):
        calls.clear()
        with whole(target, LABELS, overwrite=True) as partial:
            zarr.create_array(partial, data=np.full(3, number), attributes={"kind": LABELS})
    names = [name for _, name in calls]
    assert names.index("zarr.json") < names.index(tmp_path.name) < names.index(".x.replaced")
    assert zarr.open_array(target)[0] == 2


def test_a_file_is_synced_before_and_its_folder_after_it_has_its_name(tmp_path, monkeypatch):
    disk = Disk(tmp_path)
    disk.watch(monkeypatch)
    with whole_file(tmp_path / "a.txt") as partial:
        partial.write_text("whole")
    disk.after_loss(tmp_path, tmp_path / "home")
    assert (tmp_path / "home" / "a.txt").read_text() == "whole"


def test_a_step_of_a_hierarchy_is_whole_once_it_has_its_name(tmp_path, monkeypatch):
    disk = Disk(tmp_path)
    disk.watch(monkeypatch)
    made = StepsOnDisk(tmp_path / "run").once("fit", lambda: {"x": np.arange(5)})
    disk.after_loss(tmp_path / "run", tmp_path / "home")
    np.testing.assert_array_equal(StepsOnDisk(tmp_path / "home").finished("fit")["x"], made["x"])


def test_checkpoints_have_a_state_after_a_loss_of_power_at_any_moment(tmp_path, monkeypatch):
    where, seen = tmp_path / "ckpt", []
    disk = Disk(tmp_path)

    def crash(disk):
        home = tmp_path.parent / "crashed"
        shutil.rmtree(home, ignore_errors=True)
        if where.stat().st_ino in disk.names:
            disk._written(where.stat().st_ino, home)
            found = Generations(home).load()
            seen.append(None if found is None else found[0]["number"])

    disk.watch(monkeypatch)
    generations = Generations(where)
    for number in range(4):
        if number == 1:
            disk.watch(monkeypatch, crash)
        generations.save({"number": number}, [np.full(9, number)])
    assert set(seen) == {0, 1, 2, 3}
    assert seen == sorted(seen)


def test_the_variable_turns_it_off(tmp_path, monkeypatch):
    monkeypatch.setenv(durable.OFF, "0")
    monkeypatch.setattr(os, "fsync", lambda _: pytest.fail("synced"))
    with whole_file(tmp_path / "a.txt") as partial:
        partial.write_text("whole")
    Generations(tmp_path / "ckpt").save({"number": 1}, [np.ones(3)])
    assert Generations(tmp_path / "ckpt").load()[0] == {"number": 1}
