"""An object store on loopback: fit, checkpoint, kill, resume, label; by s3fs and by obstore."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from zarr.storage import ObjectStore

from streamkm import KMeans, StreamingKMeans, load, load_model
from streamkm.checkpoint import Generations, load_saved
from streamkm.cli import main
from streamkm.errors import LockedError
from streamkm.fitting import checkpointing
from streamkm.images.sources import find_items
from streamkm.rows import fingerprint, open_rows
from streamkm.rows.paths import open_zarr
from tests.conftest import mixture
from tests.images.conftest import deep_png, encoded, noise, put, write_raster, write_tar
from tests.ingesting.test_runs import digest

KEY = {"accessKey": "key", "secretKey": "secret"}


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    """The address of a SeaweedFS with an S3 gateway."""
    folder = tmp_path_factory.mktemp("weed")
    identity = {"name": "me", "credentials": [KEY], "actions": ["Admin", "Read", "Write", "List"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    for _ in range(5):  # a free port may be taken before the server binds it
        server, where = started(folder)
        if answers(server, where):
            break
    else:
        raise RuntimeError((folder / "log").read_text()[-3000:])
    yield where
    server.kill()  # an orderly shutdown takes 25 s
    server.wait()


def started(folder):
    ports = {name: free_port() for name in ("master", "volume", "filer", "s3")}
    command = [shutil.which("weed"), "server", f"-dir={folder}", "-ip=127.0.0.1", "-s3"]
    command += [
        f"-s3.config={folder / 's3.json'}",
        "-volume.max=100",
        "-master.volumeSizeLimitMB=64",
    ]
    for name, port in ports.items():
        flag = "filer.port" if name == "filer" else f"{name}.port"
        command += [f"-{flag}={port}", f"-{flag}.grpc={free_port()}"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    return server, f"http://127.0.0.1:{ports['s3']}"


def answers(server, where):
    """Wait for the server to answer; end it if it does not."""
    end = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(where, timeout=1)
        except urllib.error.HTTPError:
            return True  # the server runs, and rejects requests without a key
        except OSError:
            time.sleep(0.2)
    server.kill()
    server.wait()
    return False


@pytest.fixture(scope="module")
def environment(endpoint):
    return {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


@pytest.fixture
def cloud(environment, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    import s3fs

    files = s3fs.S3FileSystem()
    if not files.exists("bucket"):
        files.mkdir("bucket")
        zarr.create_array("s3://bucket/x", data=mixture(30_000, 16, 20), chunks=(2048, 16))
    return files


def test_fit_kill_go_on_and_label_by_url(cloud, environment, tmp_path):
    common = ["fit", "s3://bucket/x", "-k", "20", "--init", "random", "--tol", "0"]
    common += ["--max-iter", "6", "--algorithm", "lloyd", "--memory-limit", "280MiB"]
    outputs = ["-o", str(tmp_path / "m"), "--labels", str(tmp_path / "l")]
    command = [sys.executable, "-m", "streamkm", *common, *outputs]
    command += ["--checkpoint", "s3://bucket/ckpt", "--checkpoint-reads", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        for line in child.stderr:
            if "read 3" in line:
                child.send_signal(signal.SIGKILL)
                break
    assert child.returncode == -signal.SIGKILL
    assert load_saved(Generations("s3://bucket/ckpt", "r")).state.n_passes >= 2
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "resuming from s3://bucket/ckpt" in done.stderr
    whole = [sys.executable, "-m", "streamkm", *common, "-o", str(tmp_path / "whole")]
    subprocess.run([*whole, "--labels", str(tmp_path / "wl")], capture_output=True, check=True)
    one, two = load_model(tmp_path / "m"), load_model(tmp_path / "whole")
    assert one.centroids.tobytes() == two.centroids.tobytes()
    labels = [zarr.open_array(tmp_path / name)[...] for name in ("l", "wl")]
    assert np.array_equal(*labels)


def obstore_of(path):
    from obstore.store import S3Store

    return ObjectStore(S3Store("bucket", prefix=path, client_options={"allow_http": True}))


def test_what_others_write_is_seen_by_a_process_that_lives_on(cloud, tmp_path):
    """s3fs caches its listings, in one object for the whole process."""
    data = mixture(100, 3, 2)
    for name in ("a", "b"):
        zarr.create_array(obstore_of(f"group/{name}"), data=data)
        if name == "a":
            zarr.create_group(obstore_of("group"))
        found = open_zarr("s3://bucket/group", name)
        assert np.array_equal(found[...], data)
        image = put(tmp_path / "in", f"{name}.png", encoded(noise(6, 5, 3)))
        subprocess.run(
            [
                sys.executable,
                "-c",
                f"import s3fs; s3fs.S3FileSystem().put({str(image)!r}, 'bucket/in/')",
            ],
            check=True,
        )
        assert len(find_items(["s3://bucket/in"]).items) == ord(name) - ord("a") + 1


def test_the_same_by_obstore_in_python(cloud):
    data = zarr.open_array(obstore_of("x"), mode="r")
    options = {"init": "random", "tol": 0, "max_iter": 5, "random_state": 0}
    where = obstore_of("by-obstore")
    first = KMeans(20, **options | {"max_iter": 2}, checkpoint=where, checkpoint_every=0)
    with pytest.warns(UserWarning, match="max_iter"):
        first.fit(data)
    with pytest.warns(UserWarning, match="max_iter"):
        got = KMeans(20, **options, checkpoint=where).fit(data)
    with pytest.warns(UserWarning, match="max_iter"):
        want = KMeans(20, **options).fit(data)
    assert len(got.history_) == 5
    assert np.allclose(got.cluster_centers_, want.cluster_centers_, rtol=1e-12)


def test_two_runs_do_not_share_a_checkpoint_there(cloud):
    rows = open_rows("s3://bucket/x")
    refused = pytest.raises(LockedError, match=f"process {os.getpid()} .* 10 min")

    def one():
        return checkpointing("s3://bucket/locked", rows, {})

    with one(), refused, one():
        pass
    with one() as kept:  # the lock was released
        assert kept.resume() is None


@pytest.mark.parametrize("kind", ["s3fs", "obstore"])
def test_an_object_that_was_written_again_is_other_data(cloud, kind):
    store = "s3://bucket/y" if kind == "s3fs" else obstore_of("y")
    array = zarr.create_array(store, data=np.ones((40, 2)), chunks=(10, 2), overwrite=True)
    before = fingerprint(open_rows(zarr.open_array(store, mode="r")))
    assert before["data"]["chunks"] == 4
    assert fingerprint(open_rows(zarr.open_array(store, mode="r"))) == before
    array[3] = 2.0
    assert fingerprint(open_rows(zarr.open_array(store, mode="r")))["data"] != before["data"]


@pytest.mark.parametrize(
    "what",
    [
        ["fit", "s3://bucket/x", "--checkpoint", "s3://bucket/mine"],
        ["compress", "s3://bucket/photos"],
    ],
    ids=lambda what: what[0],
)
def test_credentials_that_are_wrong_are_one_line(what, cloud, environment, tmp_path):
    command = [sys.executable, "-m", "streamkm", *what, "-k", "5", "-o", str(tmp_path / "m")]
    wrong = os.environ | environment | {"AWS_SECRET_ACCESS_KEY": "not it"}
    said = subprocess.run(command, capture_output=True, text=True, env=wrong, check=False)
    assert said.returncode == 1
    assert "credentials" in said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("how", [["--per", "image"], ["--patch", "4x4"]], ids=" ".join)
def test_images_are_compressed_from_there(how, cloud, tmp_path):
    made = tmp_path / "photos"
    put(made, "a/one.png", encoded(noise(40, 30, 3)))
    put(made, "two.jpg", encoded(noise(40, 30, 3, seed=1), "JPEG"))
    put(made, "deep.png", deep_png(noise(20, 30, 3, dtype="u2")))
    write_raster(made / "bands.tif", noise(5, 20, 30, dtype="u2"))
    write_tar(made / "t.tar", {"x.png": encoded(noise(30, 30)), "y.png": encoded(noise(30, 30))})
    cloud.put(str(made), "bucket/", recursive=True)
    found = {}
    for name, source in {"far": "s3://bucket/photos", "near": str(made)}.items():
        output = tmp_path / f"{name}.zarr"
        done = CliRunner().invoke(main, ["compress", source, *how, "-o", str(output)])
        assert done.exit_code == 0, done.output
        found[name] = digest(output)
    assert found["far"] == found["near"]


def test_objects_that_arrive_in_a_bucket_are_folded_once(cloud, tmp_path):
    x = mixture(600, 3, 4)
    words = ["stream", "--watch", "s3://bucket/feed/*.csv", "-k", "4", "--watch-every", "0s"]
    words += ["--idle", "0s", "-o", str(tmp_path / "m"), "--checkpoint", "s3://bucket/feed-ckpt"]
    said = CliRunner().invoke(main, words)
    assert "s3://bucket/feed/*.csv has no rows" in said.output
    want = StreamingKMeans(4, random_state=0)
    for number, rows in enumerate(np.split(x, [200])):
        text = "".join(",".join(map(repr, row)) + "\n" for row in rows.tolist())
        cloud.pipe(f"bucket/feed/{number}.csv", f"a,b,c\n{text}".encode())
        want.partial_fit(rows.astype(np.float64))
        said = CliRunner().invoke(main, words)
        assert said.exit_code == 0, said.output
    model = load(tmp_path / "m")
    assert model.n_rows_seen_ == 600
    assert np.array_equal(model.cluster_centers_, want.cluster_centers_)
