"""Left-overs of killed runs are listed, and removed on request; those of living runs are not."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

import streamkm
from streamkm.checkpoint import Generations
from streamkm.cli import main
from streamkm.outputs import MODEL, alone, whole


def run(*words):
    found = CliRunner().invoke(main, ["clean", *map(str, words)])
    assert found.exit_code == 0, found.output
    return found.output


@pytest.fixture
def left(tmp_path):
    """A folder with a model, and what runs that were killed left beside it and others."""
    streamkm.KMeans(2, random_state=0).fit(np.arange(12.0).reshape(6, 2)).save(tmp_path / "m")
    zarr.create_array(tmp_path / ".l.partial-0123abcd", data=np.ones(3))
    zarr.create_array(tmp_path / ".m.replaced-once-0123abcd", data=np.ones(3))
    zarr.create_group(tmp_path / ".l.progress")
    (tmp_path / ".m.lock").write_text('{"host": "h", "pid": 1}')
    (tmp_path / ".other.lock").write_text("of another program")
    (tmp_path / ".half.progress" / "state-00000003").mkdir(parents=True)
    (tmp_path / ".other.progress").mkdir()
    (tmp_path / ".other.progress" / "notes.txt").write_text("of another program")
    (tmp_path / ".other.partial").write_text("of another program")
    (tmp_path / ".a.0123abcd.partial.txt").write_text("half")
    (tmp_path / ".profile").write_text("mine")
    return tmp_path


def test_left_overs_are_listed_and_removed_on_request(left):
    before = {path.name for path in left.iterdir()}
    said = run(left)
    for name in (".l.partial-0123abcd", ".l.progress", ".half.progress", ".a.0123abcd.partial.txt"):
        assert f"{left / name}: " in said
    assert {path.name for path in left.iterdir()} == before - {".m.lock"}  # of no run that lives
    run(left, "--remove")
    assert sorted(path.name for path in left.iterdir()) == [
        *(".other.lock", ".other.partial", ".other.progress", ".profile"),
        "m",
    ]
    assert "nothing is left over" in run(left)
    assert streamkm.load(left / "m").n_clusters == 2


def test_the_next_run_names_what_it_did_not_use(left):
    words = ["export", str(left / "m"), "-o", str(left / "a.npy")]
    (left / ".a.npy.partial-0123abcd").mkdir()
    said = CliRunner().invoke(main, words).stderr
    assert f"{left}/.a.npy.partial-0123abcd, an unfinished output" in said
    assert f"streamkm clean {left}/a.npy --remove" in said
    assert ".l." not in said
    run(left / "a.npy", "--remove")
    assert "left by" not in CliRunner().invoke(main, [*words, "--overwrite"]).stderr


def test_checkpoints_without_a_state_are_listed(tmp_path):
    Generations(tmp_path / "empty")
    Generations(tmp_path / "used").save({"number": 1}, [])
    assert f"{tmp_path}/empty: a checkpoint of a run that ended before" in run(tmp_path)
    with alone(tmp_path / "empty"):
        assert "nothing is left over" in run(tmp_path)
    run(tmp_path, "--remove")
    assert [path.name for path in tmp_path.iterdir()] == ["used"]


def test_only_those_of_one_output_are_listed(left):
    said = run(left / "l")
    assert ".l.progress" in said
    assert ".m." not in said


def test_those_of_a_living_run_are_not_listed(left):
    with alone(left / "l"):
        assert ".l." not in run(left)
        run(left, "--remove")
    assert (left / ".l.progress").exists()


def test_an_old_output_without_a_new_one_is_restored(tmp_path):
    with whole(tmp_path / "x", MODEL, False) as partial:
        zarr.create_group(partial, attributes={"kind": MODEL})
    (tmp_path / "x").rename(tmp_path / ".x.replaced-once-0123abcd")
    assert "is restored" in run(tmp_path, "--remove")
    assert (tmp_path / "x" / "zarr.json").exists()
