"""Stopped label writing resumes after its finished waves, and its labels have the same bits."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest

N_BLOCKS, WAVE = 40, 8
# The children of this process label, and stop in the middle of the third of five waves.
_CHILDREN = """
    import hashlib, json, os, shutil, signal, sys, warnings
    from pathlib import Path
    import dask, numpy as np, zarr
    from zarr.storage import LocalStore
    import streamkm, streamkm.rows.stored
    import streamkm.cli.commands.predict
    from streamkm.cli import main
    from streamkm.engine import schedule
    from streamkm.checkpoint import periodic

    streamkm.rows.opened._SMALLEST_NBYTES, schedule._ENOUGH, periodic.SECONDS = 1, 3, 0.0
    dask.config.set(num_workers=2)
    top = Path(sys.argv[1])
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2000, 3)).astype("f4")
    centroids = values[:5].astype("f8")
    streamkm.KMeans.from_centroids(centroids).label_rows(values)  # kernels are loaded once
    axes = [{"name": "y", "type": "space"}, {"name": "c", "type": "channel"}]
    steps = [{"type": "scale", "scale": [0.5, 1.0]}]
    parts = [{"path": "x", "coordinateTransformations": steps}]
    ome = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": parts}]}

    def make(name, values):
        group = zarr.open_group(top / name, mode="a", attributes={"ome": ome})
        group.create_array("x", data=values, chunks=(50, 3))

    def copy(name):  # with times of its own
        return lambda folder: shutil.copytree(
            top / name, folder / "data", copy_function=shutil.copyfile, dirs_exist_ok=True
        )

    def child(work, folder=None, stop=None):
        # In this process nothing starts a thread. Counts chunks of the data that are read; `stop`
        # is a signal for the 20th chunk of labels.
        out, pid = top / "found", os.fork()
        if pid:
            status = os.waitpid(pid, 0)[1]
            found = json.loads(out.read_text()) if out.exists() else {}
            out.unlink(missing_ok=True)
            return found | {"signal": os.WTERMSIG(status)}
        read = written = 0
        get, put = LocalStore.get, LocalStore.set

        async def counted_get(store, key, *args, **options):
            nonlocal read
            read += "data/x/c/" in f"{store.root}/{key}"
            return await get(store, key, *args, **options)

        async def counted_put(store, key, *args, **options):
            nonlocal written
            if "c/" in key and ".partial-" in str(store.root):
                written += 1
                if written == 20 and stop:
                    os.kill(os.getpid(), stop)
            await put(store, key, *args, **options)

        LocalStore.get, LocalStore.set = counted_get, counted_put
        quiet = os.open(top / "said", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        code = 0
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                work()
            except BaseException as error:
                code = repr(error)
        sys.stdout.flush()
        found = {} if folder is None else {"digest": digest(folder)}
        found |= {"read": read, "code": code, "told": [str(one.message) for one in told]}
        out.write_text(json.dumps(found | {"said": (top / "said").read_text()}))
        os._exit(0)

    def by_path(folder, factor=1.0):
        model = streamkm.KMeans.from_centroids(centroids * factor)
        model.write_labels(str(folder / "data" / "x"), folder / "l")

    def by_ome(folder):
        model = streamkm.KMeans.from_centroids(centroids)
        model.write_ome_labels(folder / "data")

    def by_command(folder):
        streamkm.KMeans.from_centroids(centroids).save(folder / "m", overwrite=True)
        names = [str(folder / name) for name in ("m", "data/x", "l")]
        main(["predict", *names[:2], "-o", names[2]], standalone_mode=False)

    def digest(folder):
        array = folder / ("data/labels/clusters/0" if (folder / "data/labels").exists() else "l")
        return hashlib.sha256(zarr.open_array(array)[...]).hexdigest() if array.exists() else ""

    def label(folder, work, stop=None):
        found = child(lambda: work(folder), folder, stop)
        named = [path.name for path in folder.rglob("*") if path.name in ("l", "clusters")]
        return found | {"named": named, "hidden": len(list(folder.rglob(".*")))}

    def case(name, work, stop=None, between=None, again=None):
        folder = top / name
        copy("template")(folder)
        first = label(folder, work, stop)
        if between:
            between(folder)
        return first, label(folder, again or work) if stop else None

    child(lambda: make("template", values))
    child(lambda: make("reversed", values[::-1].copy()))
    kill, keys = signal.SIGKILL, signal.SIGINT
    other = lambda folder: by_path(folder, 2.0)
    found = {
        "path": case("a", by_path),
        "path killed": case("b", by_path, kill),
        "path interrupted": case("c", by_path, keys),
        "other model": case("d", by_path, kill, again=other),
        "model alone": case("e", other),
        "other data": case("f", by_path, kill, copy("reversed")),
        "same data again": case("g", by_path, kill, copy("template")),
        "ome": case("h", by_ome),
        "ome killed": case("i", by_ome, kill),
        "command": case("j", by_command),
        "command killed": case("k", by_command, kill),
        "command interrupted": case("l", by_command, keys),
    }
    print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    command = [sys.executable, "-c", textwrap.dedent(_CHILDREN), str(folder)]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)


@pytest.mark.parametrize("how", ["path", "ome", "command"])
def test_a_killed_run_is_resumed_after_its_finished_waves(found, how):
    whole, _ = found[how]
    stopped, resumed = found[f"{how} killed"]
    assert (whole["read"], whole["code"], whole["hidden"]) == (N_BLOCKS, 0, 0)
    assert stopped["signal"] == 9
    assert not stopped["named"]
    assert resumed["read"] == N_BLOCKS - 2 * WAVE
    said = f"block {2 * WAVE} of {N_BLOCKS}" in " ".join(resumed["said"].split())
    assert said == (how == "command")
    assert (resumed["digest"], resumed["hidden"]) == (whole["digest"], 0)
    inertia = [line for line in whole["said"].splitlines() if "inertia" in line]
    assert [line for line in resumed["said"].splitlines() if "inertia" in line] == inertia


@pytest.mark.parametrize("how", ["path", "command"])
def test_an_interrupted_run_names_what_it_keeps_and_is_resumed(found, how):
    stopped, resumed = found[f"{how} interrupted"]
    assert not stopped["named"]
    assert any(
        "run the labelling again to resume" in one for one in [*stopped["told"], stopped["said"]]
    )
    assert resumed["read"] <= N_BLOCKS - 2 * WAVE
    assert (resumed["digest"], resumed["hidden"]) == (found[how][0]["digest"], 0)


def test_labels_of_another_model_are_not_used(found):
    _, second = found["other model"]
    assert second["read"] == N_BLOCKS
    assert "cannot be used: labels changed" in second["told"][0]
    assert (second["digest"], second["hidden"]) == (found["model alone"][0]["digest"], 0)


@pytest.mark.parametrize("data", ["other data", "same data again"])
def test_labels_of_data_that_were_written_since_are_not_used(found, data):
    _, second = found[data]
    assert second["read"] == N_BLOCKS
    assert "cannot be used: data" in second["told"][0]
    same = second["digest"] == found["path"][0]["digest"]
    assert same == (data == "same data again")
    assert second["hidden"] == 0
