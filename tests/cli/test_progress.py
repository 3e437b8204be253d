"""Progress is a bar on a terminal and occasional lines in a log; every phase reports progress."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import zarr
from PIL import Image

from streamkm.fitting import first_state, fit
from streamkm.images import compress, find_palettes
from streamkm.progress import Progress
from streamkm.rows import open_rows
from streamkm.showing.bar import ProgressBar
from streamkm.showing.reads import ReadProgress


@pytest.fixture
def talkative(monkeypatch):
    monkeypatch.setattr("streamkm.showing.bar.SILENCE", 0.0)


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 256, (12, 16, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def lines(capsys, *events):
    with ProgressBar() as bar:
        for event in events:
            bar.show(event)
    return capsys.readouterr().err.splitlines()


def test_a_log_has_phase_units_bytes_rate_and_time_left(capsys, talkative):
    first, second = (Progress("ingest", n, 4, "shards", n * 2**20) for n in (1, 2))
    (line,) = lines(capsys, first, second)
    assert re.fullmatch(r"ingesting: 2 of 4 shards, 2\.0 MiB, \S+ .?i?B/s, \S+ m?s left", line), (
        line
    )


def test_a_log_that_had_a_line_is_silent_for_a_while(capsys):
    assert not lines(capsys, *(Progress("codes", n, 9, "batches") for n in range(9)))


def test_an_unknown_total_and_unknown_bytes_are_left_out(capsys, talkative):
    found = lines(capsys, *(Progress("ingest", n, None, "shards") for n in (1, 2)))
    assert found == ["ingesting: 2 shards"]


def test_a_phase_that_resumes_is_timed_from_where_it_resumes(capsys, talkative, monkeypatch):
    clock = iter(range(100, 200, 10))  # each reading of the clock is ten seconds later
    monkeypatch.setattr("streamkm.showing.bar.time.monotonic", lambda: float(next(clock)))
    bar = ProgressBar()
    bar.show(Progress("read 3", 10, 20, "blocks", 10_000))
    bar.show(Progress("read 3", 15, 20, "blocks", 15_000))
    said = capsys.readouterr().err
    assert "15 of 20 blocks" in said
    assert "500 B/s, 10.0 s left" in said  # five blocks of 1,000 bytes took ten seconds


def test_a_step_names_the_phase_that_it_is_in(capsys, talkative):
    with ProgressBar() as bar:
        bar.show(Progress("palettes", 0, 1, "palettes"))
        bar.step("start 1 of 8")
    assert "searching palettes: start 1 of 8 (0.0 s so far)" in capsys.readouterr().err


def test_a_search_is_told_apart_from_the_read_before_it(capsys, monkeypatch):
    """The read took 2 s and the search 60 s, which is not the time of the read."""
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr("streamkm.showing.reads.time.monotonic", lambda: now.seconds)
    rows = open_rows(zarr.create_array({}, data=np.zeros((2**18, 4), np.float32)))
    state = first_state(rows, 3, "coreset", [0])
    read = replace(state, reads=state.reads.one_more("seeding"))
    with ReadProgress(rows) as bar:
        now.seconds = 2.0
        bar.searching("start 1 of 4")
        now.seconds = 62.0
        bar.searching("start 2 of 4")
        bar.on_state(read)
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "searching in memory: start 2 of 4 (1m00s so far)",
        "read 1: seeding, 2.0 s, 2.0 MiB/s, 131,072 rows/s, and a search in memory of 1m00s",
    ]


def test_a_run_that_resumes_in_a_search_reports_no_read(capsys, talkative, monkeypatch):
    monkeypatch.setattr("streamkm.in_memory.descent._WHILE", 0.0)
    values = np.random.default_rng(0).normal(size=(300, 2))
    rows = open_rows(zarr.create_array({}, data=values))
    searching = [s for s in fit(rows, first_state(rows, 3, "coreset", [0])) if s.working]
    with ReadProgress(rows) as bar:
        bar.on_state(searching[1])
        bar.on_state(searching[2])
    assert "rows/s" not in capsys.readouterr().err


@pytest.mark.parametrize("per", ["archive", "image"])
def test_every_phase_of_compress_ends_at_its_total(photographs, tmp_path, per):
    seen = []
    compress(photographs, tmp_path / "a.zarr", 4, per=per, watch=[seen.append])
    ends = {now.phase: now.done == now.total for now in seen}
    wanted = (
        ["headers", "colours", "palettes", "codes"] if per == "archive" else ["headers", "codes"]
    )
    assert ends == dict.fromkeys(wanted, True)


def test_images_are_counted_one_task_after_the_other(photographs, tmp_path):
    big = Image.new("RGB", (2000, 1100), "red")  # a task each, and nearly all of the bytes
    for number in range(3):
        big.save(photographs / f"big{number}.png")
    seen = []
    compress(photographs, tmp_path / "a.zarr", 4, watch=[seen.append])
    for phase in ("colours", "codes"):
        done = [(now.done, now.nbytes) for now in seen if now.phase == phase]
        assert done == sorted(done)
        assert len(set(done)) == len(done) == 5  # four tasks; the small images are one
        last = [now for now in seen if now.phase == phase][-1]
        assert (last.done, last.total, last.unit) == (5, 5, "images")
        assert last.nbytes == last.total_nbytes == 3 * (2 * 12 * 16 + 3 * 2000 * 1100)


def test_time_left_is_that_of_the_bytes_where_they_are_known(capsys, talkative, monkeypatch):
    clock = iter(range(100, 200, 10))
    monkeypatch.setattr("streamkm.showing.bar.time.monotonic", lambda: float(next(clock)))
    bar = ProgressBar()
    bar.show(Progress("codes", 0, 100, "images", 0, 4000))
    bar.show(Progress("codes", 1, 100, "images", 2000, 4000))
    assert "codes: 1 of 100 images, 2.0 KiB, 200 B/s, 10.0 s left" in capsys.readouterr().err


def test_searches_of_palettes_are_counted(photographs):
    seen = []
    find_palettes(photographs, [2, 3, 4], watch=[seen.append])
    assert [now.done for now in seen if now.phase == "palettes"] == [0, 1, 2, 3]


def test_a_terminal_has_a_bar_and_a_log_has_none(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((100, 8)))
    command = [sys.executable, "-m", "streamkm", "ingest", "x.npy", "-o", "o.zarr", "--overwrite"]
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    log = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, check=True)
    assert log.stderr == b""
    ours, theirs = pty.openpty()
    subprocess.run(
        command, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=theirs, check=True
    )
    os.close(theirs)
    assert b"1 of 1 shards" in os.read(ours, 1 << 16)
    os.close(ours)


@pytest.fixture
def notebook(monkeypatch):
    """The displayed data of a kernel, by the public interface of IPython that the bar uses."""
    shown = []

    def display(data, raw, display_id):
        assert raw
        assert display_id is True
        shown.append(data)
        return SimpleNamespace(update=lambda data, raw: shown.append(data))

    shell = SimpleNamespace(kernel=object())
    module = SimpleNamespace(
        get_ipython=lambda: shell, display=SimpleNamespace(display=display), shell=shell
    )
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setattr("streamkm.showing.notebook._PAUSE", 0.0)
    return SimpleNamespace(shown=shown, shell=shell)


def test_a_notebook_has_a_bar_that_disappears_and_no_lines(notebook, capsys, talkative):
    events = [Progress("<read>", n, 4, "blocks", n * 2**20) for n in (1, 2)]
    assert lines(capsys, *events) == []
    first, second, last = notebook.shown
    assert "<span>&lt;read&gt;</span><progress value='1' max='4'" in first["text/html"]
    assert re.fullmatch(r"<read> 2 of 4 blocks, 2\.0 MiB, \S+ .*/s, .* left", second["text/plain"])
    assert last == {"text/html": "", "text/plain": ""}


def test_lines_of_a_notebook_are_not_on_the_standard_error_stream(notebook, capsys):
    """Notebooks show that stream in red, like an error."""
    with ProgressBar() as bar:
        bar.say("read 1: 4 blocks")
    assert capsys.readouterr() == ("read 1: 4 blocks\n", "")


def test_a_step_of_unknown_length_is_a_moving_bar(notebook, capsys):
    with ProgressBar() as bar:
        bar.show(Progress("palettes", 0, 1, "palettes"))
        bar.step("start 1 of 8")
    assert (
        "<progress aria-label='searching palettes, start 1 of 8'"
        in (notebook.shown[1]["text/html"])
    )
    assert "value=" in notebook.shown[0]["text/html"]
    assert capsys.readouterr().err == ""


def test_a_terminal_of_ipython_is_no_notebook(notebook, capsys, talkative):
    del notebook.shell.kernel
    assert len(lines(capsys, *(Progress("codes", n, 9, "batches") for n in (1, 2)))) == 1
    assert notebook.shown == []
