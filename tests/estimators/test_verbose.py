"""A verbose fit shows the running read on the standard error stream; others print nothing."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import numpy as np
import pytest
import zarr

import streamkm
from streamkm import BisectingKMeans, KMeans, MiniBatchKMeans, SphericalKMeans
from tests.conftest import mixture

KINDS = [KMeans, SphericalKMeans, MiniBatchKMeans, BisectingKMeans]
SHARE = re.compile(r"^read \S+: \d+ of \d+ blocks, \S+ \S+, \S+ \S+/s, \S+ m?s left$", re.M)


@pytest.fixture
def store(tmp_path, monkeypatch, no_table):
    """A store of several blocks, every read of which is a read."""
    monkeypatch.setattr("streamkm.rows.opened._SMALLEST_NBYTES", 1)
    return zarr.create_array(tmp_path / "x", data=mixture(1500, 6, 8), chunks=(50, 6))


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_shows_its_reads_only_if_it_is_verbose(store, kind, capsys, monkeypatch):
    monkeypatch.setattr("streamkm.showing.bar.SILENCE", 0.0)
    quiet = kind(3, random_state=0).fit(store)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")
    shown = kind(3, random_state=0, verbose=True).fit(store)
    said = capsys.readouterr()
    assert SHARE.search(said.err), said.err
    assert "(read " in said.out
    assert "(read " not in said.err
    np.testing.assert_array_equal(quiet.cluster_centers_, shown.cluster_centers_)


def test_bisecting_names_its_splits(store, capsys):
    BisectingKMeans(4, random_state=0, verbose=1).fit(store)
    said = capsys.readouterr().err
    assert [f"split {n} of 3" in said for n in range(1, 5)] == [True] * 3 + [False]


def test_a_sweep_shows_its_reads_and_is_still_watched(store, capsys):
    states, watched = [], []
    quiet = streamkm.sweep(store, [2, 3], scale="standard", watch=states.append)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")
    shown = streamkm.sweep(store, [2, 3], scale="standard", watch=watched.append, verbose=True)
    said = capsys.readouterr()
    assert said.out == ""
    lines = [line for line in said.err.splitlines() if " rows/s" in line]
    assert len(lines) == shown.attrs["n_passes"] - 1  # all but that of the scale
    assert lines[0].startswith("read 2: ")
    assert len(watched) == len(states)
    np.testing.assert_array_equal(quiet["centroids"], shown["centroids"])


CODE = """
import numpy as np, sys, streamkm
x = np.random.default_rng(0).normal(size=(2000, 3))
streamkm.KMeans(3, random_state=0, verbose=1).fit(x)
"""


def test_on_a_terminal_the_lines_for_a_pipe_stay_there():
    """The bar is on the terminal; the results of the reads go to a pipe."""
    mine, theirs = pty.openpty()
    run = subprocess.run(
        [sys.executable, "-c", CODE], stdout=subprocess.PIPE, stderr=theirs, timeout=120, check=True
    )
    os.close(theirs)
    shown = os.read(mine, 65_536).decode()
    os.close(mine)
    assert "Initialization complete" in run.stdout.decode()
    assert "Initialization complete" not in shown
    assert "\x1b[" in shown  # a bar that moves
