"""The command line, run in processes like those of users."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import click
import numpy as np
import pytest
import xarray as xr
import zarr
from click.testing import CliRunner

import streamkm
from streamkm import load_model
from streamkm.cli import main
from tests import reference
from tests.conftest import mixture


@pytest.fixture
def store(blobs, tmp_path):
    group = zarr.create_group(tmp_path / "data.zarr")
    group.create_array("x", data=blobs, chunks=(400, 6), dimension_names=("row", "band"))
    group.create_array("other", data=np.zeros((3, 3)))
    return tmp_path / "data.zarr"


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def test_fit_predict_and_info(store, blobs, tmp_path):
    model, labels = tmp_path / "m.zarr", tmp_path / "l.zarr"
    out = run(
        "fit",
        store,
        "--variable",
        "x",
        "-k",
        5,
        "-o",
        model,
        "--labels",
        labels,
        "--feature-dim",
        "band",
    )
    fitted = load_model(model)
    written = zarr.open_array(labels, mode="r")
    assert fitted.inertia == pytest.approx(reference.inertia(blobs, fitted.centroids))
    assert np.array_equal(written[...], reference.labels(blobs, fitted.centroids))
    assert written.metadata.dimension_names == ("row",)
    assert written.dtype == np.uint8
    assert fitted.stop_reason in out.stdout
    assert "in memory: all 5,000 distinct rows, so the fit needs no further read" in out.stderr
    assert fitted.n_passes == 1
    again = tmp_path / "again.zarr"
    said = run("predict", model, store, "--variable", "x", "-o", again).stdout
    assert "5,000 rows labelled" in said
    assert np.array_equal(zarr.open_array(again)[...], written[...])
    assert "5 x 6" in run("info", model).stdout
    assert "(5000, 6)" in run("info", store, "--variable", "x").stdout
    assert sorted(os.listdir(tmp_path)) == ["again.zarr", "data.zarr", "l.zarr", "m.zarr"]


def test_the_same_command_gives_the_same_bits(store, tmp_path):
    for name in ("a", "b"):
        run(
            "fit",
            store,
            "--variable",
            "x",
            "-k",
            4,
            "-o",
            tmp_path / name,
            "--seed",
            3,
            "--n-init",
            2,
        )
    a, b = (load_model(tmp_path / name) for name in ("a", "b"))
    assert a.centroids.tobytes() == b.centroids.tobytes()


@pytest.mark.parametrize(
    ("init", "reads"),
    [("k-means++", 9), ("farthest", 9), ("random", 1), ("k-means||", 4), ("auto", 2)],
)
def test_a_dry_run_says_what_it_would_cost_and_reads_nothing(
    store, tmp_path, init, reads, monkeypatch, no_table
):
    monkeypatch.setattr(zarr.Array, "__getitem__", None)
    command = ["fit", store, "--variable", "x", "-k", 9, "-o", tmp_path / "m", "--init", init]
    facts = json.loads(run(*command, "--max-iter", 10, "--dry-run", "--json").stdout)
    assert facts["reads_seeding"] == reads
    assert facts["reads_at_most"] == reads + 10 + 1
    assert facts["bytes_a_read"] == 5000 * 6 * 4
    assert facts["rows"] == 5000
    assert facts["projected_memory_bytes"] > facts["block_bytes"]
    assert "projected memory" in run(*command, "--dry-run").stdout
    assert not (tmp_path / "m").exists()


@pytest.mark.usefixtures("no_table")
def test_a_log_has_a_line_a_read(store, tmp_path):
    command = ["fit", store, "--variable", "x", "-k", 5, "-o", tmp_path / "m"]
    out = run(*command, "--labels", tmp_path / "l")
    assert out.stderr.count("read ") == load_model(tmp_path / "m").n_passes


@pytest.mark.usefixtures("no_table")
def test_a_run_keeps_to_what_the_dry_run_said(store, tmp_path):
    command = [
        "fit",
        store,
        "--variable",
        "x",
        "-k",
        9,
        "--max-iter",
        5,
        "--json",
        "-o",
        tmp_path / "m",
    ]
    promised = json.loads(run(*command, "--dry-run").stdout)
    result = json.loads(run(*command).stdout)
    assert result["reads"] <= promised["reads_at_most"]
    assert result["bytes_read"] == result["reads"] * promised["bytes_a_read"]


@pytest.mark.usefixtures("no_table")
@pytest.mark.parametrize("restarts", [1, 2])
def test_the_bound_holds_with_labels_and_restarts(store, tmp_path, restarts):
    command = ["fit", store, "--variable", "x", "-k", 9, "--max-iter", 3, "--tol", 0, "--json"]
    command += ["--n-init", restarts, "--labels", tmp_path / "l", "-o", tmp_path / "m"]
    promised = json.loads(run(*command, "--dry-run").stdout)
    assert json.loads(run(*command).stdout)["reads"] <= promised["reads_at_most"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-k", 3], "name one of its arrays ['other', 'x'], by --variable"),
        (["-k", 3, "--variable", "y"], "is a group without 'y'"),
        (
            ["-k", 5001, "--variable", "x"],
            "there are 5,000 rows, fewer than the 5,001 clusters of -k",
        ),
        (["-k", 3, "--variable", "x", "--feature-dim", "time"], "there is no dimension 'time'"),
        (["-k", 3, "--variable", "x", "--memory-limit", "1MiB"], "Raise the limit"),
    ],
)
def test_errors_are_one_line_that_names_the_fix(store, tmp_path, arguments, message):
    result = run("fit", store, "-o", tmp_path / "m", *arguments, code=1)
    assert message in " ".join(result.stderr.split())
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.output
    assert not (tmp_path / "m").exists()


def test_outputs_that_exist_are_kept_unless_told_otherwise(store, tmp_path):
    command = ["fit", store, "--variable", "x", "-k", 3, "-o", tmp_path / "m"]
    run(*command)
    before = load_model(tmp_path / "m").inertia
    assert "--overwrite" in run(*command, code=1).stderr
    assert load_model(tmp_path / "m").inertia == before
    run(*command, "--overwrite", "-k", 4)
    assert load_model(tmp_path / "m").centroids.shape == (4, 6)


@pytest.mark.parametrize("output", ["data.zarr", "data.zarr/x", "data.zarr/x/m", "l.zarr"])
def test_outputs_never_replace_inputs_or_each_other(store, tmp_path, output):
    command = ["fit", store, "--variable", "x", "-k", 3, "-o", tmp_path / output]
    result = run(*command, "--labels", tmp_path / "l.zarr", "--overwrite", code=1)
    said = " ".join(result.stderr.split())
    assert "; name another output" in said
    assert "lies inside" in said or "is the same place as" in said
    assert zarr.open_array(store / "x").shape == (5000, 6)
    assert os.listdir(tmp_path) == ["data.zarr"]


def test_predict_refuses_other_features(store, tmp_path):
    run("fit", store, "--variable", "x", "-k", 3, "-o", tmp_path / "m")
    result = run(
        "predict", tmp_path / "m", store, "--variable", "other", "-o", tmp_path / "l", code=1
    )
    assert "the data have 3 features, but the model has 6" in " ".join(result.stderr.split())


def test_bad_rows_end_a_run_with_nothing_written(tmp_path, blobs):
    spoilt = blobs.copy()
    spoilt[77, 0] = np.nan
    zarr.create_array(tmp_path / "x.zarr", data=spoilt, chunks=(400, 6))
    result = run(
        "fit",
        tmp_path / "x.zarr",
        "-k",
        3,
        "-o",
        tmp_path / "m",
        "--labels",
        tmp_path / "l",
        code=1,
    )
    assert "row 77" in " ".join(result.stderr.split())
    assert os.listdir(tmp_path) == ["x.zarr"]


def test_few_distinct_rows_warn_and_go_on(tmp_path):
    zarr.create_array(tmp_path / "x", data=np.repeat([[0.0], [1.0]], 9, axis=0), chunks=(5, 1))
    with pytest.warns(UserWarning, match="only 2 distinct rows"):
        run("fit", tmp_path / "x", "-k", 3, "-o", tmp_path / "m")
    assert load_model(tmp_path / "m").inertia == 0


def test_ctrl_c_leaves_nothing_and_says_so(tmp_path):
    x = np.tile(mixture(50_000, 16, 9), (20, 1))
    zarr.create_array(tmp_path / "x", data=x, chunks=(20_000, 16))
    command = [sys.executable, "-m", "streamkm", "fit", tmp_path / "x", "-k", "60", "--tol", "0"]
    command += ["-o", tmp_path / "m", "--labels", tmp_path / "l"]
    with subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        # Background processes of a shell without job control ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        process.stderr.readline()  # the first read is done
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted; no output was written" in said
    assert "Traceback" not in said
    assert os.listdir(tmp_path) == ["x"]


def test_a_sweep_writes_what_python_gives_and_says_the_elbow(store, tmp_path, blobs):
    out, picture = tmp_path / "s.zarr", tmp_path / "elbow.png"
    command = ["sweep", store, "--variable", "x", "-k", "1:3,5", "--n-init", 4, "-o", out]
    said = run(*command, "--plot", picture).stdout
    assert f"plot: {picture}" in said
    assert "16 fits in 1 read of the data" in said
    assert "clear elbow" in said or "elbow at k=" in said
    found = xr.open_zarr(out, consolidated=False)
    want = streamkm.sweep(blobs, [1, 2, 3, 5], n_init=4)
    np.testing.assert_allclose(found["train_distortion"], want["train_distortion"])
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "exists" in run(*command, code=1).stderr
    facts = json.loads(run(*command, "--overwrite", "--json").stdout)
    assert facts["n_clusters"] == [1, 2, 3, 5]
    assert facts["calinski_harabasz"][0] is None
    assert facts["reads"]["seeding"]["reads"] == 1


def test_a_dry_run_says_that_small_data_are_kept(store, tmp_path):
    command = ["fit", store, "--variable", "x", "-k", 9, "-o", tmp_path / "m", "--dry-run"]
    facts = json.loads(run(*command, "--json").stdout)
    assert facts["reads_at_most"] == facts["reads_if_few_distinct_rows"] == 1
    assert facts["bytes_at_most"] == facts["bytes_a_read"] == 5000 * 6 * 4
    assert facts["cached_bytes"] == 13 * 400 * 6 * 4  # the last chunk is complete


def test_a_sweeps_dry_run_reads_nothing(store, tmp_path, monkeypatch, no_table):
    monkeypatch.setattr(zarr.Array, "__getitem__", None)
    command = ["sweep", store, "--variable", "x", "-k", "1:20", "-o", tmp_path / "s", "--dry-run"]
    facts = json.loads(run(*command, "--n-init", 20, "--max-iter", 50, "--json").stdout)
    assert facts["fits"] == 400
    assert facts["reads_at_most"] == 2 + 50 + 1
    assert "projected memory" in run(*command).stdout
    assert not (tmp_path / "s").exists()


def test_a_sweep_is_shown_and_predicted_with(store, tmp_path, blobs):
    out, labels = tmp_path / "s.zarr", tmp_path / "l.zarr"
    said = run("sweep", store, "--variable", "x", "-k", "2:4", "-o", out).stdout
    shown = run("info", out).stdout
    assert str(store) in "".join(line.strip() for line in shown.splitlines())
    assert "\n".join(said.splitlines()[:5]) in shown
    refused = run("predict", out, store, "-o", labels, code=1).stderr
    assert "is a sweep, not a model. Give its number of clusters by -k." in refused
    run("predict", out, store, "--variable", "x", "-k", 3, "-o", labels)
    want = reference.labels(blobs, streamkm.centroids_of(out, 3))
    assert np.array_equal(zarr.open_array(labels)[...], want)
    assert streamkm.plot.elbow(out).get_title() in said


def test_only_what_streamkm_wrote_is_overwritten(store, tmp_path):
    """A mistyped path must not destroy data."""
    zarr.create_array(tmp_path / "mine", data=np.ones((4, 4)))
    command = ["fit", store, "--variable", "x", "-k", 3, "--overwrite", "-o"]
    assert "was not written by streamkm" in run(*command, tmp_path / "mine", code=1).stderr
    assert zarr.open_array(tmp_path / "mine")[...].sum() == 16
    for _ in range(2):
        run(*command, tmp_path / "m", "--labels", tmp_path / "l")
    (tmp_path / "picture.png").write_text("keep")
    plain = ["fit", store, "--variable", "x", "-k", 3, "-o", tmp_path / "new"]
    assert "exists" in run(*plain, "--plot", tmp_path / "picture.png", code=1).stderr
    assert (tmp_path / "picture.png").read_text() == "keep"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["fitt", "x"], "Did you mean 'fit'?"),
        (["Predict", "x"], "Did you mean 'predict'?"),
        (["xyz"], "there is no command 'xyz'.\n"),
        (["fit", "x", "-o", "m", "-k", "2-12"], "use `streamkm sweep -k 2:12`"),
        (["fit", "x", "-o", "m", "-k", "2,4"], "use `streamkm sweep -k 2,4`"),
        (["sweep", "x", "-o", "m", "-k", "12-2"], "write 1:20, 10:100:10 or 2,4,8.\n"),
        (["fit", "x", "-o", "m", "-k", "1:10000000000"], "is not a valid integer"),
        (["FIT", "x"], "Did you mean 'fit'?"),
        (["fit", "x", "-o", "m", "-k", "two"], "'two' is not a valid integer"),
        (["fit", "x", "-o", "m", "-k", "-2"], "-2 is not in the range"),
        (["sweep", "x", "-o", "m", "-k", "2-12"], "Did you mean 2:12?"),
        (["sweep", "x", "-o", "m", "-k", "2..12,20"], "Did you mean 2:12,20?"),
    ],
)
def test_what_was_probably_meant_is_named(arguments, hint):
    result = run(*arguments, code=2)
    assert hint in result.output
    assert "Did you mean" in hint or "Did you mean" not in result.output


def test_a_command_that_does_not_exist_is_completed_without_a_traceback():
    line = {
        "_STREAMKM_COMPLETE": "bash_complete",
        "COMP_WORDS": "streamkm fitt ",
        "COMP_CWORD": "2",
    }
    command = [sys.executable, "-c", "from streamkm.cli import main; main(prog_name='streamkm')"]
    done = subprocess.run(command, env={**os.environ, **line}, capture_output=True, text=True)
    assert "Traceback" not in done.stderr


def test_every_option_has_a_text():
    for name in main.list_commands(None):
        for option in main.get_command(None, name).params:
            assert isinstance(option, click.Argument) or option.help, (name, option.name)


@pytest.mark.parametrize("wish", ["x", "0", "3:1", "1:2:3:4", ""])
def test_numbers_of_clusters_that_are_none(store, tmp_path, wish):
    said = run("sweep", store, "-k", wish, "-o", tmp_path / "s", code=2).stderr
    assert "write 1:20, 10:100:10 or 2,4,8" in said


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no/where.png", "is not a folder; create it first"),
        ("loss.doc", "one of the suffixes .png"),
    ],
)
def test_a_picture_that_cannot_be_is_refused_before_the_fit(store, tmp_path, name, message):
    command = ["fit", store, "--variable", "x", "-k", 3, "-o", tmp_path / "m"]
    assert message in run(*command, "--plot", tmp_path / name, code=1).stderr
    assert not (tmp_path / "m").exists()


@pytest.mark.usefixtures("no_table")
def test_reads_and_bytes_are_told_by_phase(store, tmp_path, blobs):
    command = ["fit", store, "--variable", "x", "-k", 9, "--labels", tmp_path / "l", "--json"]
    command += ["-o", tmp_path / "m", "--plot", tmp_path / "loss.png"]
    promised = json.loads(run(*command, "--dry-run").stdout)
    facts = json.loads(run(*command).stdout)
    phases = ("seeding", "iterations", "labelling")
    assert facts["reads_seeding"] == promised["reads_seeding"] == 2
    assert facts["reads_iterations"] <= promised["reads_iterations_at_most"] + 1
    assert facts["reads"] == sum(facts[f"reads_{phase}"] for phase in phases)
    assert facts["bytes_seeding"] == promised["bytes_seeding"] == 2 * blobs.nbytes
    assert facts["bytes_read"] == sum(facts[f"bytes_{phase}"] for phase in phases)
    assert (tmp_path / "loss.png").exists()


def test_what_an_error_leaves_behind_says_nothing_at_the_end(tmp_path):
    """Failed requests of an object store, which the interpreter discards at exit, print nothing."""
    code = (
        "class Request:\n    def __del__(self): raise ValueError('left behind')\nkept = Request()\n"
    )
    code += f"from streamkm.cli import main\nmain(['info', {str(tmp_path / 'none')!r}])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert said.stderr.startswith("Error: ")
    assert "left behind" not in said.stderr
