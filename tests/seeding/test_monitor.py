"""A search in memory reports its steps, can be interrupted, and ends at its deadline."""

from __future__ import annotations

import os
import signal
from types import SimpleNamespace

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

from streamkm import KMeans, load_model
from streamkm.checkpoint import Periodic, flatten, restore
from streamkm.cli import main
from streamkm.cli import signals as stopping
from streamkm.errors import CheckpointError, RunAgain
from streamkm.fitting import first_state
from streamkm.fitting import fit as fit_states
from streamkm.in_memory import descent, monitor, search
from streamkm.in_memory.monitor import monitored
from streamkm.in_memory.points import Points, in_memory
from streamkm.rows import Room, StoredRows, open_rows
from tests import reference
from tests.conftest import mixture

X = mixture(3000, 2, 40, seed=5).astype(np.float64)
K = 30


def found(**watched):
    with monitored(**watched) as own, in_memory(X, np.ones(len(X))) as points:
        return search.search(points, K, 0), own


def clock(monkeypatch, *, stops):
    """A clock that stands still for a number of readings, and then passes the deadline."""
    asked = iter(range(10**9))
    now = SimpleNamespace(monotonic=lambda: float(next(asked) >= stops))
    monkeypatch.setattr(monitor, "time", now)
    return {"deadline": 0.5}


def test_reports_of_every_step_change_no_bit():
    words = []
    watched, own = found(callback=words.append)
    plain, _ = found()
    assert np.array_equal(watched, plain)
    assert not own.timed_out
    text = "\n".join(words)
    for part in (
        f"start 2 of at most 32, centroid 2 of {K}",
        "start 32 of at most 32",
        "breathing on start 3",
    ):
        assert part in text


@pytest.mark.parametrize("steps", [0, 1, 17, 40, 200, 1100, 1300])
def test_it_ends_at_any_step_with_centroids_that_can_be_used(steps, monkeypatch):
    limit = clock(monkeypatch, stops=steps)
    words = []
    centroids, own = found(callback=words.append, **limit)
    assert own.timed_out
    assert centroids.shape == (K, 2)
    assert len(np.unique(centroids, axis=0)) == K
    assert len(words) < 2 * steps + 20
    drawn = X[np.random.default_rng(0).choice(len(X), K, replace=False)]
    assert reference.inertia(X, centroids) < 2 * reference.inertia(X, drawn)
    clock(monkeypatch, stops=steps)
    assert np.array_equal(found(**limit)[0], centroids)


def test_more_time_finds_better(monkeypatch):
    losses = [
        reference.inertia(X, found(**clock(monkeypatch, stops=steps))[0])
        for steps in (0, 1000, 1300)
    ]
    assert losses[0] > losses[1] >= losses[2] >= reference.inertia(X, found()[0])


def test_of_few_distinct_points_the_rest_are_any(monkeypatch):
    x = np.repeat(X[:10], 5, axis=0)
    with monitored(**clock(monkeypatch, stops=3)), in_memory(x, np.ones(50)) as points:
        centroids = search.start(points, 20, 0)
    assert centroids.shape == (20, 2)
    assert np.isfinite(centroids).all()


def test_a_stage_tells_the_time_left_once_a_part_is_done(monkeypatch):
    """Half of the work took 3 s, so the other half takes at most 3 s more."""
    clock = iter([0.0, 2.0, 3.0, 5.0, 6.0, 8.0])
    monkeypatch.setattr(monitor, "perf_counter", lambda: next(clock))
    words = []
    own = monitor.Monitor((words.append,))
    own.begin()
    for share in (0.0, 0.25, 0.5, 1.2):
        own.report("step", share)
    own.begin()  # another stage, of unknown length
    own.report("step")
    own.report("step")
    left = ["", ", at most 6.0 s left", ", at most 3.0 s left", "", "", ""]
    assert words == [f"step{each}" for each in left]


def test_the_time_left_falls_to_the_end_of_a_stage():
    shares = []
    with monitored(lambda _: None) as own, in_memory(X, np.ones(len(X))) as points:
        own.report = lambda step, share: shares.append((step, share))
        search.settle(points, X[:K], most=20.0 * X.size * K)
    steps, found = zip(*shares, strict=True)
    assert set(steps) == {"Lloyd steps"}
    assert np.allclose(found, np.arange(1, len(found) + 1) / 20)


def test_callbacks_of_outer_contexts_are_called_too():
    inner, outer = [], []
    with monitored(outer.append):
        found(callback=inner.append)
    assert inner == outer


@pytest.mark.parametrize("init", ["coreset", "k-means||"])
def test_a_time_limit_ends_the_search_and_a_resumed_fit_does_it_again(init, tmp_path, no_table):
    data = zarr.create_array(tmp_path / "x", data=X, chunks=(500, 2))
    options = {"n_clusters": K, "init": init, "random_state": 0}
    words = []
    with monitored(words.append):
        hurried = KMeans(**options, checkpoint=tmp_path / "c", time_limit=0).fit(data)
    assert hurried.stop_reason_ == "time limit"
    assert len(words) < 40
    assert hurried.inertia_ == pytest.approx(reference.inertia(X, hurried.cluster_centers_))
    resumed = KMeans(**options, checkpoint=tmp_path / "c").fit(data)
    whole = KMeans(**options).fit(data)
    assert resumed.stop_reason_ == whole.stop_reason_ != "time limit"
    assert np.array_equal(resumed.cluster_centers_, whole.cluster_centers_)
    assert resumed.inertia_ == whole.inertia_


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")  # some may be empty by then
def test_planted_data_of_very_many_clusters_end_in_time():
    """Two correlated columns with thousands of clusters, whose search once took minutes."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(4000, 1)) * [1.0, 0.9]
    x = centers[rng.integers(0, 4000, 60_000)] + rng.normal(0, 0.001, (60_000, 2))
    words = []
    with monitored(words.append):
        km = KMeans(3000, random_state=0, time_limit=0.5).fit(x)
    assert km.stop_reason_ == "time limit"
    # On a busy machine, the time is over before the first step.
    assert not any("start" in word and "centroid" in word for word in words[-1:])
    assert len(words) < 3000
    assert len(np.unique(km.cluster_centers_, axis=0)) == 3000


def test_a_verbose_fit_prints_the_search(capsys, monkeypatch):
    monkeypatch.setattr("streamkm.showing.bar.SILENCE", 0.0)
    KMeans(K, random_state=0, verbose=1).fit(X)
    assert "searching in memory: " in capsys.readouterr().err


def fit(path, name, *more):
    where = ["-o", path.parent / f"{name}.zarr", "--seed", 0, "-k", K]
    return CliRunner().invoke(main, ["fit", *map(str, [path, *where, *more])])


@pytest.fixture
def store(tmp_path):
    zarr.create_array(tmp_path / "x", data=X, chunks=(500, 2))
    return tmp_path / "x"


def test_the_command_logs_the_search(store, monkeypatch):
    monkeypatch.setattr("streamkm.showing.bar.SILENCE", 0.0)
    told = fit(store, "a")
    assert told.exit_code == 0
    assert "searching in memory: " in told.output
    swept = ["sweep", store, "-k", "5,6", "-o", store.parent / "s"]
    told = CliRunner().invoke(main, [str(word) for word in swept])
    assert "searching in memory: " in told.output


def interrupting(monkeypatch, step):
    """Raise KeyboardInterrupt at a step of the search."""
    spend, steps = Points._count, iter(range(10**9))

    def pay(self, k):
        spend(self, k)
        if next(steps) == step:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Points, "_count", pay)


@pytest.mark.parametrize("step", [2, 300])
def test_ctrl_c_leaves_the_search(step, store, monkeypatch):
    with monkeypatch.context() as patch:
        interrupting(patch, step)
        told = fit(store, "a")
    assert told.exit_code in (1, 130)
    assert not (store.parent / "a.zarr").exists()


@pytest.mark.parametrize("step", [2, 300])
def test_ctrl_c_leaves_the_search_of_a_fit_with_a_checkpoint(step, store, monkeypatch):
    kept = ("--checkpoint", store.parent / "c")
    with monkeypatch.context() as patch:
        interrupting(patch, step)
        told = fit(store, "a", *kept)
    assert told.exit_code == 75
    assert "stopped (SIGINT) in a search in memory" in told.output
    assert fit(store, "a", *kept).exit_code == 0
    assert fit(store, "b").exit_code == 0
    one, other = (load_model(store.parent / f"{name}.zarr") for name in "ab")
    assert np.array_equal(one.centroids, other.centroids)


def killed_in_the_search(path, where, saved):
    """Start a fit from a coreset that is killed late in its search, with `saved` after a save."""
    child = os.fork()
    if child == 0:
        try:
            words, saves = ["", ""], iter([saved])

            def kill(step):
                words.append(step)
                if "breathing on start 3" in words[-20]:
                    os.kill(os.getpid(), signal.SIGKILL)

            def due(_):
                return "breathing on start 3" in words[-2] and next(saves, False)

            with monitored(kill), pytest.MonkeyPatch.context() as patch:
                patch.setattr(descent, "_WHILE", 0.0)  # every step is a state
                patch.setattr(Periodic, "due", property(due))
                words[:0] = [""] * 20
                KMeans(K, random_state=0, checkpoint=where).fit(path)
        finally:
            os._exit(70)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


@pytest.mark.parametrize("kept", [True, False])
def test_a_kill_in_a_search_loses_neither_the_reads_nor_the_steps_before_a_save(
    kept, store, monkeypatch, no_table
):
    read, block = [], StoredRows.block_beside

    def reading(rows, number, beside):
        read.extend([] if rows.in_memory else [number])  # boundary rows are in memory
        return block(rows, number, beside)

    monkeypatch.setattr(StoredRows, "block_beside", reading)
    whole = KMeans(K, random_state=0).fit(store)
    n_blocks = max(read) + 1
    assert len(read) == whole.n_passes_ * n_blocks
    killed_in_the_search(store, store.parent / "c", kept)
    read.clear()
    words = []
    with monitored(words.append):
        resumed = KMeans(K, random_state=0, checkpoint=store.parent / "c").fit(store)
    assert words[0].startswith("breathing on start 3") == kept
    assert np.array_equal(resumed.cluster_centers_, whole.cluster_centers_)
    assert resumed.n_passes_ == whole.n_passes_
    assert len(read) == (whole.n_passes_ - 2 * kept) * n_blocks


def test_a_search_saves_the_state_before_it_once_it_is_due(store, monkeypatch, no_table):
    """The time of a save often comes in the middle of a search."""
    saved = []
    monkeypatch.setattr("streamkm.in_memory.descent._WHILE", 0.0)  # a state after every step
    save = Periodic.save
    monkeypatch.setattr(
        Periodic, "save", lambda own, state: saved.append(state) or save(own, state)
    )

    def within():
        return [state for state in saved if state.working.startswith("breathing")]

    with monkeypatch.context() as patch:
        patch.setattr(Periodic, "due", property(lambda _: False))
        words = []

        def searching(step):
            words.append(step)
            if "breathing" in step:
                patch.setattr(Periodic, "due", property(lambda _: not within()))

        with monitored(searching):
            KMeans(K, random_state=0, checkpoint=store.parent / "c").fit(store)
    assert [state.n_passes for state in within()] == [2]


@pytest.mark.parametrize("init", ["coreset", "k-means||"])
def test_a_fit_resumed_from_any_state_of_its_search_has_the_same_bits(init, monkeypatch):
    monkeypatch.setattr(descent, "_WHILE", 0.0)  # every step is a state
    monkeypatch.setattr(search, "_LEAST", 2e7)
    rows = open_rows(zarr.create_array({}, data=X, chunks=(1500, 2)))
    states = list(fit_states(rows, first_state(rows, 40, init, [3, 4], room=Room(0, 2000))))
    within = [state for state in states if state.working]
    parts = {state.working.split(" ")[0] for state in within}
    assert parts >= {"start", "breathing", "last"} | ({"Lloyd"} if init == "coreset" else set())
    monkeypatch.setattr(descent, "_WHILE", 1.0)
    for state in [*within[:: len(within) // 4], within[-1]]:
        arrays = []
        saved = restore(flatten(state, arrays), arrays)
        *_, resumed = fit_states(rows, saved)
        assert resumed.best.centroids.tobytes() == states[-1].best.centroids.tobytes()
        assert resumed.n_passes == states[-1].n_passes


def test_a_search_that_needs_more_than_the_time_limit_is_not_run_again_for_ever(store, monkeypatch):
    class Kept:
        def save(self, state):
            return True

    now = iter([0.0, 10.0, 11.0, 12.0, 98.0, 98.0])
    fake = SimpleNamespace(time=lambda: next(now))
    monkeypatch.setattr(stopping, "time", fake)
    leave = stopping.Stopping(Kept(), 100.0, 75)
    leave.on_search("start 1 of 8")
    leave.on_search("start 1 of 8")
    leave.on_search("start 1 of 8")
    with pytest.raises(CheckpointError, match="raise the time limit"):
        leave.on_search("start 2 of 8")
    now = iter(
        [0.0, 60.0, 98.0, 98.0]
    )  # reads took most of the time, so the next run has more time
    leave = stopping.Stopping(Kept(), 100.0, 75)
    leave.on_search("start 1 of 8")
    with pytest.raises(RunAgain, match="run the same command"):
        leave.on_search("start 2 of 8")
