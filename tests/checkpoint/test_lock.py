"""Locks of checkpoints: when one is taken, kept and released, and the error of a second run."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import subprocess
import sys
import time

import pytest
import zarr

from streamkm.checkpoint import FileLock, LeaseLock
from streamkm.checkpoint import lock as lock_module
from streamkm.checkpoint.lock import LEASE
from streamkm.errors import CheckpointError, LockedError

HERE = socket.gethostname()


@pytest.fixture
def group():
    return zarr.create_group({})


@pytest.fixture
def ended():
    """The number of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-S", "-c", ""])
    child.wait()
    return child.pid


def lease(group, seconds=300.0, host="another", pid=1, **more):
    """A lease that another run has written."""
    until = time.time() + seconds
    holder = {"host": host, "pid": pid, "token": "theirs", "until": until}
    group.require_group("lock").attrs.put(holder | more)


def until(group):
    return dict(group["lock"].attrs)["until"]


def test_a_local_lock_is_held_until_it_is_released(tmp_path):
    lock = FileLock(tmp_path / "c")
    lock.renew()
    with pytest.raises(LockedError, match=f"process {os.getpid()} on {HERE}"):
        FileLock(tmp_path / "c")
    other = FileLock(tmp_path / "d")
    lock.release()
    assert [path.name for path in tmp_path.iterdir()] == [".d.lock"]
    FileLock(tmp_path / "c").release()
    other.release()


def test_a_local_lock_whose_file_was_deleted_is_released(tmp_path):
    lock = FileLock(tmp_path / "c")
    (tmp_path / ".c.lock").unlink()
    lock.release()
    FileLock(tmp_path / "c").release()


def test_a_local_lock_names_the_slurm_job_that_holds_it(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    lock = FileLock(tmp_path / "c")
    with pytest.raises(LockedError, match=f"on {HERE}, Slurm job 77"):
        FileLock(tmp_path / "c")
    lock.release()


@pytest.mark.parametrize("replaced", [False, True])
def test_a_lock_file_that_its_holder_deletes_meanwhile_is_opened_again(
    replaced, tmp_path, monkeypatch
):
    """The holder may release it between the opening and the lock of the next run."""
    flock, path, locked = fcntl.flock, tmp_path / ".c.lock", []

    def deleted_first(file, how):
        flock(file, how)
        locked.append(file.fileno())
        if len(locked) == 1:
            path.unlink()
            if replaced:
                path.touch()

    monkeypatch.setattr("fcntl.flock", deleted_first)
    lock = FileLock(tmp_path / "c")
    assert len(locked) == 2
    with pytest.raises(LockedError):
        FileLock(tmp_path / "c")
    lock.release()
    assert not path.exists()


def test_a_file_system_without_locks_is_named_with_a_fix(tmp_path, monkeypatch):
    def refused(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refused)
    with pytest.raises(CheckpointError, match=r"c is on a file system without locks .*No locks"):
        FileLock(tmp_path / "c")


def test_a_lease_is_held_for_ten_minutes_and_free_once_released(group):
    lock = LeaseLock(group)
    assert 590 < until(group) - time.time() <= 600
    with pytest.raises(LockedError, match=r"; the lock expires in 10 min unless it is renewed"):
        LeaseLock(group)
    lock.release()
    LeaseLock(group)


def test_a_lease_of_another_host_is_taken_only_when_it_has_expired(group):
    lease(group, seconds=3550)
    with pytest.raises(LockedError, match=r"process 1 on another; the lock expires in 59 min"):
        LeaseLock(group)
    lease(group, seconds=-1)
    LeaseLock(group)


def test_a_lease_of_this_host_is_taken_when_its_process_has_ended(group, ended):
    lease(group, host=HERE, pid=os.getpid())
    with pytest.raises(LockedError):
        LeaseLock(group)
    lease(group, host=HERE, pid=ended)
    LeaseLock(group)
    lease(group, host="another", pid=ended)
    with pytest.raises(LockedError):
        LeaseLock(group)


def test_a_lease_of_a_process_of_another_user_is_held(group, monkeypatch):
    def refused(pid, number):
        raise PermissionError

    monkeypatch.setattr("os.kill", refused)
    lease(group, host=HERE, pid=1)
    with pytest.raises(LockedError):
        LeaseLock(group)


def test_a_restarted_slurm_job_takes_its_own_lease(group, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    for job, restart in (("78", "0"), ("77", "1"), (None, None)):
        lease(group, job=job, restart=restart)
        with pytest.raises(LockedError):
            LeaseLock(group)
    lease(group, job="77", restart="0")
    LeaseLock(group)
    monkeypatch.delenv("SLURM_JOB_ID")
    lease(group, job=None, restart="0")
    with pytest.raises(LockedError):
        LeaseLock(group)


def test_a_lease_is_renewed_when_a_tenth_of_it_has_passed(group, monkeypatch):
    assert 0 < lock_module._RENEW <= LEASE / 10
    lock = LeaseLock(group)
    group["lock"].attrs["until"] = first = time.time() + 5
    lock.renew()
    assert until(group) == first
    monkeypatch.setattr("streamkm.checkpoint.lock._RENEW", 0.0)
    lock.renew()
    assert 590 < until(group) - time.time() <= 600


def test_a_run_whose_lease_was_taken_stops_and_leaves_it_alone(group, monkeypatch):
    monkeypatch.setattr("streamkm.checkpoint.lock._RENEW", 0.0)
    lock = LeaseLock(group)
    lease(group)
    theirs = dict(group["lock"].attrs)
    with pytest.raises(LockedError, match="process 1 on another"):
        lock.renew()
    lock.release()
    assert dict(group["lock"].attrs) == theirs
