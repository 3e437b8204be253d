"""Kills, signals and unwritable paths: complete outputs are kept, and partial ones are removed."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

import streamkm
from streamkm.cli import main
from streamkm.errors import OutputExistsError
from streamkm.models.model import Model
from streamkm.models.storage import load_model, save_model
from streamkm.outputs import MODEL, alone, check_store, whole_file
from streamkm.rows import memory


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def data(tmp_path):
    x = np.random.default_rng(0).normal(size=(400, 2)).astype("f4")
    zarr.create_array(tmp_path / "x", data=x, chunks=(20, 2))
    return tmp_path / "x"


# The children of this process replace a model; each is killed at another step.
_KILLED = """
    import os, signal, sys
    from pathlib import Path
    import numpy as np
    import zarr  # loaded here, once for all children
    import streamkm.outputs.atomic as whole
    from streamkm.outputs import MODEL
    from streamkm.models.model import Model
    from streamkm.models.storage import save_model

    atomic, mark = sys.argv[2] == "atomic", sys.argv[3]
    old, new = Path(sys.argv[1], "old"), Path(sys.argv[1], "new")

    def child(work):
        pid = os.fork()
        if pid == 0:
            try:
                work()
            finally:
                os._exit(0)
        return os.waitpid(pid, 0)[1]

    def killing(last):
        steps = 0
        def step():
            nonlocal steps
            steps += 1
            if steps == last:
                os.kill(os.getpid(), signal.SIGKILL)
        def around(call):
            def wrapped(*args, **options):
                step()
                found = call(*args, **options)
                step()
                return found
            return wrapped
        Path.rename = around(Path.rename)
        whole.exchange = around(whole.exchange) if atomic else lambda *_: False
        whole.shutil.rmtree = around(whole.shutil.rmtree)

    child(lambda: save_model(old, Model(np.zeros((2, 2)), 1.0)))
    child(lambda: save_model(new, Model(np.ones((2, 2)), 2.0)))
    for last in range(1, 40):
        folder = Path(sys.argv[1], str(last))
        folder.mkdir()
        whole.shutil.copytree(old, folder / "m")
        def replace():
            killing(last)
            with whole.whole(folder / "m", MODEL, True, mark) as partial:
                whole.shutil.copytree(new, partial)
        if child(replace) == 0:  # it came to its end
            break
    print(last)
"""


@pytest.mark.parametrize("mark", ["", "12345678"])
@pytest.mark.parametrize("how", ["atomic", "in two steps"])
def test_an_overwrite_that_is_killed_at_any_step_loses_nothing(tmp_path, how, mark):
    command = [sys.executable, "-c", textwrap.dedent(_KILLED), str(tmp_path), how, mark]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    steps = int(said.stdout)
    assert steps > 4
    for step in range(1, steps + 1):
        folder = tmp_path / str(step)
        if how == "atomic":
            load_model(folder / "m")  # there is always a model under the name
        else:
            check_store(folder / "m", MODEL, True)
        assert load_model(folder / "m").inertia in (1.0, 2.0)
        check_store(folder / "m", MODEL, True)  # like the next run
        partial = folder / f".m.partial-{mark}"
        if mark and partial.exists():  # only the files that the next run with this mark can resume
            assert load_model(partial).inertia == 2.0
            shutil.rmtree(partial)
        assert os.listdir(folder) == ["m"]


def test_the_next_run_without_overwrite_restores_the_old(tmp_path):
    save_model(tmp_path / "m", Model(np.zeros((2, 2)), 1.0))
    (tmp_path / "m").rename(tmp_path / ".m.replaced-once-12345678")
    with pytest.raises(OutputExistsError, match="exists"):
        check_store(tmp_path / "m", MODEL, False)
    assert load_model(tmp_path / "m").inertia == 1.0


def test_a_run_that_lives_is_not_recovered_from(tmp_path):
    (tmp_path / ".m.partial-once-12345678").mkdir()
    with alone(tmp_path / "m"):
        check_store(tmp_path / "m", MODEL, False)
        assert (tmp_path / ".m.partial-once-12345678").exists()
    check_store(tmp_path / "m", MODEL, False)
    assert not (tmp_path / ".m.partial-once-12345678").exists()


# A command whose chunks take a while to write.
_SLOW = """
    import asyncio, sys
    from zarr.storage import LocalStore
    from streamkm.cli import main

    write = LocalStore.set

    async def slowly(store, key, *args, **options):
        if "/c" in key or key.startswith("c/"):
            await asyncio.sleep(3)
        await write(store, key, *args, **options)

    LocalStore.set = slowly
    main(sys.argv[1:])
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_no_part_of_the_labels(data, tmp_path, number):
    run("fit", data, "-k", 2, "-o", tmp_path / "m")
    before = sorted(os.listdir(tmp_path))
    command = [sys.executable, "-c", textwrap.dedent(_SLOW)]
    command += ["predict", str(tmp_path / "m"), str(data), "-o", str(tmp_path / "l")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not list(tmp_path.glob(".l.partial-*/zarr.json")):
            time.sleep(0.02)
            assert process.poll() is None
        time.sleep(0.2)
        process.send_signal(number)
        said = process.stderr.read()
        code = process.wait()
    assert "no output was written or changed" in said
    assert code == (130 if number == signal.SIGINT else 143)
    assert sorted(os.listdir(tmp_path)) == before


@pytest.fixture
def unwritable(tmp_path, monkeypatch):
    """A folder that is not writable, also for root."""
    (tmp_path / "closed").mkdir()
    make = Path.mkdir

    def refuse(path, *args, **options):
        if path.parent == tmp_path / "closed":
            raise PermissionError(13, "Permission denied", str(path))
        make(path, *args, **options)

    monkeypatch.setattr(Path, "mkdir", refuse)
    return tmp_path / "closed"


def test_an_output_that_cannot_be_written_is_found_before_the_first_read(
    data, tmp_path, unwritable, monkeypatch
):
    def fail(*_, **__):
        raise AssertionError("something was read")

    monkeypatch.setattr(zarr.Array, "get_basic_selection", fail)
    monkeypatch.setattr(zarr.Array, "__getitem__", fail)
    for arguments in (
        ["fit", data, "-k", 2, "-o", unwritable / "m"],
        ["fit", data, "-k", 2, "-o", tmp_path / "m", "--labels", unwritable / "l"],
        ["fit", data, "-k", 2, "-o", tmp_path / "m", "--plot", unwritable / "p.png"],
        ["sweep", data, "-k", "1:2", "-o", unwritable / "s"],
        ["compress", tmp_path / "p", "-o", unwritable / "a"],
        ["compress", tmp_path / "p", "-o", tmp_path / "a", "--png", unwritable / "a"],
        ["ingest", tmp_path / "x.npy", "-o", unwritable / "i"],
        ["palette", tmp_path / "p", "-o", unwritable / "p.gpl"],
    ):
        assert "cannot be written: Permission denied" in run(*arguments, code=1)


def test_a_name_that_is_too_long_is_found_before_the_first_read(data, tmp_path):
    said = run("fit", data, "-k", 2, "-o", tmp_path / ("m" * 250), code=1)
    assert "cannot be written: File name too long" in said


def _full(monkeypatch, where):
    """Fail to write chunks below a folder, like a full disk."""
    from zarr.storage import LocalStore

    write = LocalStore.set

    async def refuse(store, key, *args, **options):
        if f".{where}.partial" in str(store.root) and not key.endswith("zarr.json"):
            raise OSError(28, "No space left on device")
        await write(store, key, *args, **options)

    monkeypatch.setattr(LocalStore, "set", refuse)


@pytest.mark.parametrize("more", [[], ["--checkpoint"], ["--n-init", 2], ["--scale", "standard"]])
def test_labels_that_fail_do_not_cost_the_model(data, tmp_path, monkeypatch, more):
    monkeypatch.setattr(memory, "TABLE_NBYTES", 0)  # otherwise the loss would come from the table
    options = [*more, tmp_path / "ckpt"] if more == ["--checkpoint"] else more
    options = [*options, "--init", "random", "--algorithm", "lloyd", "--max-iter", 3]
    command = ["fit", data, "-k", 3, "-o", tmp_path / "m", "--labels", tmp_path / "l", *options]
    with monkeypatch.context() as patch:
        _full(patch, "l")
        said = run(*command, code=1)
    assert "the labels could not be written" in said
    assert "No space left" in said
    assert f"streamkm predict {tmp_path / 'm'} {data} -o {tmp_path / 'l'}" in said
    model = load_model(tmp_path / "m")
    assert np.isfinite(model.inertia)
    x = np.asarray(zarr.open_array(data)[...], float)
    found = ((x[:, None] - model.centroids) ** 2).sum(axis=2).min(axis=1).sum()
    if "--scale" not in more:
        assert model.inertia == pytest.approx(found)
    assert not (tmp_path / "l").exists()
    if more == ["--checkpoint"]:  # the same command writes the missing outputs
        run(*command)
    else:
        run("predict", tmp_path / "m", data, "-o", tmp_path / "l")
    labels = zarr.open_array(tmp_path / "l")[...]
    again = streamkm.load(tmp_path / "m").predict(zarr.open_array(data))
    assert np.array_equal(labels, again.compute())


def test_the_command_for_labels_that_failed_works_as_it_is_given(data, tmp_path, monkeypatch):
    x = np.moveaxis(zarr.open_array(data)[...].reshape(20, 20, 2), -1, 0)
    group = zarr.create_group(tmp_path / "cube")
    group.create_array("q r", data=x, chunks=(2, 5, 20))
    group.create_array("other", data=x, chunks=(2, 5, 20))
    command = ["fit", tmp_path / "cube", "--variable", "q r", "--feature-dim", 0, "-k", 3]
    command += ["-o", tmp_path / "m", "--labels", tmp_path / "l", "--memory-limit", "1GiB"]
    run(*command)
    before = zarr.open_array(tmp_path / "l")[...]
    with monkeypatch.context() as patch:
        _full(patch, "l")
        said = run(*command, "--seed", 7, "--overwrite", code=1)
    again = shlex.split(said[said.index("streamkm predict") :])
    assert again[again.index("--memory-limit") + 1] == str(2**30)
    assert np.array_equal(zarr.open_array(tmp_path / "l")[...], before)
    run(*again[1:])
    labels = zarr.open_array(tmp_path / "l")[...]
    centroids = load_model(tmp_path / "m").centroids
    distances = ((x[..., None] - centroids.T[:, None, None, :]) ** 2).sum(axis=0)
    assert np.array_equal(labels, distances.argmin(axis=-1))


def test_labels_take_their_name_after_the_model(data, tmp_path, monkeypatch):
    command = ["fit", data, "-o", tmp_path / "m", "--labels", tmp_path / "l", "--overwrite"]
    run(*command, "-k", 2)
    before = load_model(tmp_path / "m").centroids, zarr.open_array(tmp_path / "l")[...]

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("streamkm.cli.commands.fit.save_model", interrupt)
        said = run(*command, "-k", 5, code=130)
    assert "no output was written or changed" in said
    assert np.array_equal(load_model(tmp_path / "m").centroids, before[0])
    assert np.array_equal(zarr.open_array(tmp_path / "l")[...], before[1])
    hidden = sorted(name for name in os.listdir(tmp_path) if name.startswith("."))
    assert [name.rpartition("-")[0] or name for name in hidden] == [".l.partial", ".l.progress"]
    with monkeypatch.context() as patch:
        patch.setattr("streamkm.cli.commands.fit.save_plot", interrupt)
        said = run(*command, "-k", 5, "--plot", tmp_path / "p.png", code=130)
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]
    written = f"written: {tmp_path / 'm'}, {tmp_path / 'l'}; no other output"
    assert written in " ".join(said.split())
    assert load_model(tmp_path / "m").centroids.shape == (5, 2)
    assert zarr.open_array(tmp_path / "l")[...].max() == 4


def test_two_runs_do_not_write_one_output(data, tmp_path):
    run("fit", data, "-k", 2, "-o", tmp_path / "m", "--labels", tmp_path / "l")
    run("sweep", data, "-k", "1:2", "-o", tmp_path / "s")
    before = load_model(tmp_path / "m")
    with alone(tmp_path / "m"):
        said = run("fit", data, "-k", 3, "-o", tmp_path / "m", "--overwrite", code=1)
        assert "is being written by another run" in said
        km = streamkm.KMeans(2, random_state=0).fit(zarr.open_array(data))
        with pytest.raises(OutputExistsError, match="another run"):
            km.save(tmp_path / "m", overwrite=True)
    with alone(tmp_path / "l"):
        arguments = ["-o", tmp_path / "m", "--labels", tmp_path / "l", "--overwrite"]
        assert "another run" in run("fit", data, "-k", 3, *arguments, code=1)
        arguments = [tmp_path / "m", data, "-o", tmp_path / "l", "--overwrite"]
        assert "another run" in run("predict", *arguments, code=1)
        with pytest.raises(OutputExistsError, match="another run"):
            km.write_labels(zarr.open_array(data), tmp_path / "l", overwrite=True)
    with alone(tmp_path / "s"):
        arguments = [data, "-k", "1:2", "-o", tmp_path / "s", "--overwrite"]
        assert "another run" in run("sweep", *arguments, code=1)
    assert np.array_equal(load_model(tmp_path / "m").centroids, before.centroids)
    run("fit", data, "-k", 3, "-o", tmp_path / "m", "--labels", tmp_path / "l", "--overwrite")
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def test_a_side_file_is_replaced_when_it_is_whole(tmp_path):
    (tmp_path / "p.png").write_text("old")
    with pytest.raises(RuntimeError), whole_file(tmp_path / "p.png") as partial:  # noqa: PT012
        partial.write_text("half")
        raise RuntimeError
    assert (tmp_path / "p.png").read_text() == "old"
    assert os.listdir(tmp_path) == ["p.png"]
