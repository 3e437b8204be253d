"""The result has the same bits on every scheduler; if there is none, one line gives the reason."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest
import zarr
from click.testing import CliRunner
from distributed import LocalCluster
from distributed.security import Security

from streamkm import load_model
from streamkm.cli import main
from tests.conftest import mixture

RULES = ("-k", "5", "--init", "random", "--tol", "0", "--max-iter", "5", "--algorithm", "lloyd")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    where = tmp_path_factory.mktemp("data") / "x"
    zarr.create_array(where, data=mixture(6000, 6, 9), chunks=(300, 6))
    return where


def run(store, name, *more, code=0):
    out = store.parent / f"{name}.zarr"
    arguments = ["fit", store, *RULES, "-o", out, "--overwrite", *more]
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result.output if code else load_model(out)


def test_processes_of_its_own_with_a_report_of_dasks(store, tmp_path):
    """Run in a separate process, because workers import the main module."""
    report, out = tmp_path / "report.html", tmp_path / "model"
    options = ["--scheduler", "processes", "--workers", "2", "--performance-report", report]
    command = [sys.executable, "-m", "streamkm", "fit", store, *RULES, "-o", out, *options]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert load_model(out).centroids.tobytes() == run(store, "here").centroids.tobytes()
    assert "Dask Performance Report" in report.read_text()


COMMANDS = {
    "predict": ("l.npy",),
    "nearest": ("n.npy", "-n", 3),
    "sample": ("s.npy", "-n", 40, "--how", "flat"),
    "partition": ("p.parquet",),
    "sweep": ("w.zarr", "-k", "2:4"),
    "dedup": ("d.npy", "--threshold", 0.9),
}


def test_every_command_that_reads_data_takes_a_scheduler_and_writes_the_same_bytes(store, tmp_path):
    run(store, "model")
    model = store.parent / "model.zarr"
    address = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "protocol": "tcp"}
    CliRunner().invoke(main, ["partition", str(model), str(store), "-o", str(tmp_path / "parts")])
    inputs = {"sweep": (store,), "dedup": (tmp_path / "parts",)}
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, **address) as cluster:
        for where, options in (("here", ()), ("there", ("--scheduler", cluster.scheduler_address))):
            (tmp_path / where).mkdir()
            for command, (name, *more) in COMMANDS.items():
                words = [*inputs.get(command, (model, store)), "-o", tmp_path / where / name]
                words = [command, *words, *more, *options]
                result = CliRunner().invoke(main, [str(word) for word in words])
                assert result.exit_code == 0, result.output
    here, there = (
        {
            p.relative_to(tmp_path / at): p.read_bytes()
            for p in (tmp_path / at).rglob("*")
            if p.is_file()
        }
        for at in ("here", "there")
    )
    assert here.keys() == there.keys()
    assert [name for name in here if here[name] != there[name]] == []


def test_a_report_of_threads_is_refused_before_any_work(store, tmp_path):
    said = run(store, "no", "--performance-report", tmp_path / "r.html", code=1)
    assert "--performance-report needs --scheduler" in said


def test_nobody_at_the_address(store, monkeypatch):
    monkeypatch.setattr("streamkm.cli.scheduler._PATIENCE", "1s")
    said = run(store, "no", "--scheduler", "tcp://127.0.0.1:1", code=1)
    assert "no scheduler answers at tcp://127.0.0.1:1" in said
    assert "unknown scheduler 'thread'" in run(store, "no", "--scheduler", "thread", code=1)


def test_a_scheduler_behind_tls_by_configuration(store, tmp_path, monkeypatch):
    made = Security.temporary()
    for name in ("tls_ca_file", "tls_scheduler_cert", "tls_scheduler_key"):
        (tmp_path / name).write_text(getattr(made, name))
    settings = {"DASK_DISTRIBUTED__COMM__TLS__CA_FILE": str(tmp_path / "tls_ca_file")}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        for kind in ("cert", "key"):
            path = str(tmp_path / f"tls_scheduler_{kind}")
            settings[f"DASK_DISTRIBUTED__COMM__TLS__{role}__{kind.upper()}"] = path
    environment = os.environ | settings
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment}
    where = tmp_path / "scheduler.json"
    base = [sys.executable, "-m"]
    scheduler = [*base, "distributed.cli.dask_scheduler", "--host", "tls://127.0.0.1"]
    scheduler += ["--port", "0", "--no-dashboard", "--scheduler-file", str(where)]
    worker = [*base, "distributed.cli.dask_worker", "--scheduler-file", str(where)]
    worker += ["--nthreads", "1", "--no-nanny", "--no-dashboard"]
    running = [subprocess.Popen(scheduler, **quiet)]
    while not where.exists() or not where.read_text().endswith("}"):  # complete
        time.sleep(0.05)
    running.append(subprocess.Popen(worker, **quiet))
    address = json.loads(where.read_text())["address"]
    assert address.startswith("tls://")
    out = tmp_path / "model"
    command = [*base, "streamkm", "fit", store, *RULES, "-o", out, "--scheduler", address]
    command = list(map(str, command))
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        plain = run(store, "plain", "--scheduler", address, code=1)
    finally:
        for process in running:
            process.kill()
            process.wait()
    assert done.returncode == 0, done.stderr
    assert load_model(out).centroids.tobytes() == run(store, "here").centroids.tobytes()
    assert "TLS settings" in plain
