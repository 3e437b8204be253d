"""The command line and `KMeans` resume each other's fits, with the bits of an uninterrupted fit."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

from streamkm import KMeans, load_model
from streamkm.cli import main
from streamkm.errors import CheckpointError
from streamkm.fitting import Checkpoint

pytestmark = pytest.mark.filterwarnings("ignore:stopped after max_iter")
OPTIONS = {"init": "random", "n_init": 2, "tol": 0.0, "max_iter": 2, "random_state": 3}


class Killed(BaseException):
    """Raised instead of a kill of the process."""


@pytest.fixture
def store(tmp_path, blobs, monkeypatch, no_table):
    """Rows in small blocks, so that a step takes a read of several waves."""
    zarr.create_array(tmp_path / "x", data=blobs, chunks=(200, 6))
    monkeypatch.setattr("streamkm.rows.opened._SMALLEST_NBYTES", 1)
    monkeypatch.setattr("streamkm.rows.memory.SAMPLE_NBYTES", 0)
    monkeypatch.setattr("streamkm.engine.schedule._ENOUGH", 3)
    return tmp_path / "x"


def command(store, name, *more):
    """Fit from the command line, with a checkpoint, a model and labels of this name."""
    where = store.parent
    arguments = ["fit", store, "-k", 5, "-o", where / f"{name}.zarr", "--seed", 3, "--tol", 0]
    arguments += ["--init", "random", "--n-init", OPTIONS["n_init"], "--max-iter", 2]
    arguments += ["--checkpoint", where / f"{name}.ckpt", "--checkpoint-every", "0"]
    arguments += ["--labels", where / f"{name}.labels"]
    runner = CliRunner()
    return runner.invoke(main, [str(a) for a in (*arguments, *more)], catch_exceptions=False)


def estimator(store, name, **changed):
    where = store.parent / f"{name}.ckpt"
    return KMeans(**({"n_clusters": 5} | OPTIONS | changed), checkpoint=where, checkpoint_every=0)


def states_saved(run, last=None):
    """The states that a run saves; with `last`, the run is killed after that many."""
    states, see = [], Checkpoint.on_state

    def save_and_kill(checkpoint, state):
        see(checkpoint, state)
        states.append(state)
        if len(states) == last:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, "on_state", save_and_kill)
        try:
            run()
        except Killed:
            assert len(states) == last
    return states


def moments(states):
    """Numbers of states in the seeding, in the iterations, and in the last read."""
    assert states[2].folded
    assert states[-3].read_blocks
    assert not states[-3].labelled
    assert all(trajectory.stop_reason for trajectory in states[-3].trajectories)
    return 3, len(states) // 2, len(states) - 2


def facts(model, labels):
    """The bits of a fit from the command line or from Python."""
    command_line = hasattr(model, "centroids")
    centroids = model.centroids if command_line else model.cluster_centers_
    history = model.history if command_line else model.history_
    inertia = model.inertia if command_line else model.inertia_
    return centroids.tobytes(), history.tobytes(), inertia, np.asarray(labels).tobytes()


def written(store, name):
    labels = zarr.open_array(store.parent / f"{name}.labels")[...]
    return facts(load_model(store.parent / f"{name}.zarr"), labels)


@pytest.mark.parametrize("n_init", [1, 2])
def test_python_resumes_what_the_command_line_began(store, monkeypatch, n_init):
    monkeypatch.setitem(OPTIONS, "n_init", n_init)
    whole = KMeans(5, **OPTIONS).fit(store)
    for last in moments(states_saved(lambda: command(store, "whole"))):
        states_saved(lambda last=last: command(store, f"c{last}"), last)
        km = estimator(store, f"c{last}").fit(store)
        assert facts(km, km.labels_) == facts(whole, whole.labels_)


@pytest.mark.parametrize("n_init", [1, 2])
def test_the_command_line_resumes_what_python_began(store, monkeypatch, n_init):
    monkeypatch.setitem(OPTIONS, "n_init", n_init)
    command(store, "whole")
    for last in moments(states_saved(lambda: estimator(store, "whole.py").fit(store))):
        states_saved(lambda last=last: estimator(store, f"p{last}").fit(store), last)
        assert "resuming from" in command(store, f"p{last}").stderr
        assert written(store, f"p{last}") == written(store, "whole")


def test_what_python_has_finished_is_labelled_from_the_command_line(store):
    km = estimator(store, "a").fit(store)
    assert command(store, "a").exit_code == 0
    assert written(store, "a") == facts(km, km.labels_)


def test_the_parameter_that_differs_is_named_in_both_directions(store):
    states_saved(lambda: command(store, "c"), last=3)
    for changed, message in [
        ({"n_clusters": 6}, "n_clusters was 5, is now 6"),
        ({"random_state": 4}, "random_state was 3, is now 4"),
        ({"scale": "robust"}, "scale was None, is now robust"),
    ]:
        with pytest.raises(CheckpointError, match=message):
            estimator(store, "c", **changed).fit(store)
    states_saved(lambda: estimator(store, "p").fit(store), last=3)
    assert "n_init was 2, is now 3" in command(store, "p", "--n-init", 3).output
    assert "restarts was all, is now halving" in command(store, "p", "--restarts", "halving").output


def test_a_random_state_that_is_no_number_is_resumed_without_a_comparison(store):
    drawn = {"random_state": np.random.RandomState(1)}
    states_saved(lambda: estimator(store, "p", **drawn).fit(store), last=3)
    estimator(store, "p", random_state=None).fit(store)
    assert "random_state was None, is now 3" in command(store, "p").output


def test_a_run_opens_its_store_once(store, monkeypatch):
    opened, zarr_open = [], zarr.open

    def count(where, **options):
        opened.append(str(where).removeprefix("file://"))
        return zarr_open(where, **options)

    monkeypatch.setattr(zarr, "open", count)
    for run in (
        lambda: command(store, "a"),
        lambda: command(store, "a"),  # the fit is already done
        lambda: estimator(store, "a").fit(store),
    ):
        opened.clear()
        run()
        assert opened.count(str(store)) == 1
