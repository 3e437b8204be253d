"""States that are saved at intervals: a failed save and a damaged state do not end a run."""

from __future__ import annotations

import errno

import pytest

from streamkm.checkpoint import Generations, Periodic, Record, load_progress
from streamkm.errors import CheckpointError, CheckpointWarning

RECORD = Record("read", {}, {"batches": "3"})


def test_a_save_is_due_after_the_interval(tmp_path):
    assert Periodic.in_folder(tmp_path / "c", RECORD, 0).due
    assert not Periodic.in_folder(tmp_path / "c", RECORD).due


def test_a_save_is_due_a_minute_after_the_last_or_after_the_interval(tmp_path, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    for seconds, asked in ((60, None), (7, 7.0)):
        saving = Periodic.in_folder(tmp_path / f"{seconds}", RECORD, asked)
        for _ in range(2):
            clock[0] += seconds - 0.5
            assert not saving.due
            clock[0] += 0.5
            assert saving.due
            assert saving.save(1)
        assert load_progress(tmp_path / f"{seconds}").record.seconds == 2 * seconds


def test_a_failed_save_is_a_warning_and_a_later_one_succeeds(tmp_path):
    failures = [OSError(errno.ENOSPC, "No space left on device")]

    def opened():
        if failures:
            raise failures.pop()
        return Generations(tmp_path / "c")

    saving = Periodic("c", opened, RECORD)
    with pytest.warns(CheckpointWarning, match=r"not be written to c \(.*No space left"):
        assert not saving.save((1, 2))
    assert saving.save((3, 4))
    assert load_progress(tmp_path / "c").state == (3, 4)


def test_a_state_that_no_run_can_save_is_an_error(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be saved"):
        Periodic.in_folder(tmp_path / "c", RECORD).save(object())


def test_the_time_of_earlier_runs_is_added(tmp_path):
    saving = Periodic.in_folder(tmp_path / "c", RECORD)
    saving.resume(Record("read", {}, {}, seconds=100.0))
    saving.save(1)
    record = load_progress(tmp_path / "c").record
    assert 100 < record.seconds < 200
    assert record.runs == 2


@pytest.mark.parametrize("damaged", ["state-*/zarr.json", "zarr.json"])
def test_damaged_progress_is_removed_with_a_warning(tmp_path, damaged):
    folder = tmp_path / "c"
    assert load_progress(folder) is None
    Periodic.in_folder(folder, RECORD).save(1)
    for path in folder.glob(damaged):
        path.write_text("damaged")
    with pytest.warns(CheckpointWarning) as caught:
        assert load_progress(folder) is None
    assert "It is removed, and the work starts again" in str(caught[-1].message)
    assert not folder.exists()
