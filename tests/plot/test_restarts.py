"""The losses of all restarts are those of the states of a run."""

from __future__ import annotations

import numpy as np
import pytest

import streamkm
from streamkm.errors import DataError, NotACheckpointError
from streamkm.plot.restart_curves import names
from tests.plot.conftest import legend_of


@pytest.fixture(scope="module")
def state(blobs):
    states = []
    streamkm.sweep(blobs[:500], [2, 4], n_init=2, watch=states.append, silhouette_rows=0)
    return states[-1]


def test_each_restart_has_a_line_of_its_losses_with_the_reads_marked(state):
    ax = streamkm.plot.restarts(state)
    for line, trajectory in zip(ax.lines, state.trajectories, strict=True):
        losses = [step.inertia for step in trajectory.history]
        assert line.get_ydata()[: len(losses)].tolist() == losses
        assert line.get_ydata()[-1] == trajectory.inertia
        assert line.get_markevery() == [n for n, s in enumerate(trajectory.history) if s.read]
    assert legend_of(ax) == ["k=2", "k=2, restart 1", "k=4", "k=4, restart 1"]


def test_restarts_of_one_k_are_named_by_their_number(state):
    assert names(state.trajectories[:2]) == ["restart 0", "restart 1"]


def test_the_picture_of_a_checkpoint_is_that_of_its_last_state(blobs, tmp_path):
    km = streamkm.KMeans(4, n_init=2, random_state=0, checkpoint=tmp_path / "c").fit(blobs[:500])
    ax = streamkm.plot.restarts(tmp_path / "c")
    assert min(line.get_ydata()[-1] for line in ax.lines) == km.inertia_
    assert np.array_equal(
        min(ax.lines, key=lambda own: own.get_ydata()[-1]).get_ydata()[:-1], km.history_["inertia"]
    )


def test_what_has_no_losses_is_refused(state, tmp_path):
    seeding = type(state)(**{**vars(state), "trajectories": ()})
    with pytest.raises(DataError, match="no restart has finished an iteration"):
        streamkm.plot.restarts(seeding)
    with pytest.raises(DataError, match="give a checkpoint of a fit or a sweep, not a int"):
        streamkm.plot.restarts(1)
    with pytest.raises(NotACheckpointError):
        streamkm.plot.restarts(tmp_path / "none")
