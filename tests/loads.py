"""Long and concurrent use: nothing grows, and the bits stay the same.

    scripts/soak loads [NAME...] [--share X]

With --share 0.1, the numbers of fits, calls and blocks are a tenth. Each load is a process of its
own and prints one line; a failed one has a traceback.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from pathlib import Path

import numpy as np

import streamkm

_DATA = np.random.default_rng(0).normal(size=(2000, 4)).astype("f4")
_COMMAND = [sys.executable, "-m", "streamkm"]


def fitted(data=_DATA, **more):
    return streamkm.KMeans(3, random_state=0, init="random", max_iter=3, **more).fit(data)


def bits(model):
    return model.cluster_centers_.tobytes(), model.inertia_


def held():
    """Resident MiB now, open files, threads."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    nbytes = pages * os.sysconf("SC_PAGE_SIZE")
    return nbytes / 2**20, len(os.listdir("/proc/self/fd")), threading.active_count()


def repeated(call, count):
    """Call a function many times; return its memory after a tenth of the calls and after all.

    Memory, open files and threads must not grow between these.
    """
    for number in range(count):
        call(number)
        if number == count // 10:
            first = held()
    last = held()
    assert last[0] < first[0] + 8 + 0.02 * first[0], (first, last)
    assert last[1:] == first[1:], (first, last)
    return f"{first[0]:.0f} MiB after a tenth, {last[0]:.0f} MiB at the end"


def fits(folder, share):
    """1,000 fits of a store, an array and a Dask array, with a checkpoint for every tenth."""
    import dask.array as da
    import zarr

    stored = zarr.create_array(folder / "x", data=_DATA, chunks=(500, 4))
    kinds = [stored, _DATA, da.from_array(_DATA, (500, 4))]
    wanted = [bits(fitted(each)) for each in kinds]

    def call(number):
        kept = {"checkpoint": folder / f"c{number}"} if number % 10 == 0 else {}
        assert bits(fitted(kinds[number % 3], **kept)) == wanted[number % 3]

    return repeated(call, int(1000 * share))


def partial_fits(folder, share):
    """10,000 calls of partial_fit, of a stream and of mini-batches in turn."""
    models = [
        streamkm.StreamingKMeans(3, random_state=0, summary_size=256),
        streamkm.MiniBatchKMeans(3, random_state=0),
    ]
    count = int(10_000 * share)
    said = repeated(lambda n: models[n % 2].partial_fit(_DATA[n % 19 * 100 :][:100]), count)
    assert models[0].n_rows_seen_ == 100 * (count // 2)
    return said


def blocks(folder, share):
    """A fit of 100,000 blocks: the numbers of its rows, and the bits of a fit of few blocks."""
    from streamkm.engine import map_reduce
    from streamkm.passes import Lloyd
    from streamkm.rows import memory, open_rows, opened

    n = int(100_000 * share) * 8
    x = np.random.default_rng(0).integers(0, 255, (n, 4)).astype("u1")
    np.save(folder / "x.npy", x)
    few = map_reduce(Lloyd(x[:3].astype(float)), open_rows(x))
    opened._SMALLEST_NBYTES = opened._UNIT_NBYTES = opened.BLOCK_NBYTES = 96
    memory.BLOCK_NBYTES = 96
    rows = open_rows(np.load(folder / "x.npy", mmap_mode="r"))
    assert rows.plan.n_blocks >= n // 8, rows.plan.n_blocks
    many = map_reduce(Lloyd(x[:3].astype(float)), rows)
    assert many.counts.tobytes() == few.counts.tobytes()
    assert many.sums.tobytes() == few.sums.tobytes()
    assert many.squares == few.squares
    return f"{rows.plan.n_blocks:,} blocks, {held()[0]:.0f} MiB"


def rows(folder, share):
    """2^31 + 1,000 rows of one byte, whose labels are checked past 2^31."""
    n = int(2**31 * share) + 1000
    x = np.lib.format.open_memmap(folder / "x.npy", "w+", np.uint8, (n, 1))
    x[-1000::2] = 200  # the file is sparse
    x.flush()
    model = streamkm.KMeans.from_centroids([[0.0], [200.0]])
    model.write_labels(np.load(folder / "x.npy", mmap_mode="r"), folder / "l.zarr")
    import zarr

    labels = zarr.open_array(folder / "l.zarr", mode="r")
    assert labels.shape == (n,)
    assert np.array_equal(labels[n - 1000 :], np.arange(1000) % 2 == 0)
    assert not labels[n - 3000 : n - 1000].any()
    assert not labels[:1000].any()
    return f"{n:,} rows, {held()[0]:.0f} MiB"


def at_once(folder, share):
    """Fits in three threads at once, on threads and on one Client."""
    import zarr
    from distributed import Client, LocalCluster

    stored = zarr.create_array(folder / "x", data=_DATA, chunks=(100, 4))
    wanted = bits(fitted(stored))
    local = {"processes": False, "n_workers": 1, "threads_per_worker": 2}
    with LocalCluster(dashboard_address="127.0.0.1:0", **local) as cluster:
        for _ in range(max(1, int(10 * share))):
            assert in_threads(stored) == [wanted] * 3
            with Client(cluster):
                assert in_threads(stored) == [wanted] * 3
    return "the same bits"


def in_threads(data):
    found = []
    threads = [threading.Thread(target=lambda: found.append(bits(fitted(data)))) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return found


def child(queue):
    queue.put(bits(fitted()))


def processes(folder, share):
    """Fits in children that were forked and spawned after a fit."""
    wanted = bits(fitted())
    for way in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(way)
        queue = context.Queue()
        started = context.Process(target=child, args=(queue,))
        started.start()
        assert queue.get(timeout=300) == wanted, way
        started.join()
    return "the same bits by fork, spawn and forkserver"


def cells(folder, share):
    """Cells of a notebook that are interrupted at random moments, and run again."""
    import zarr

    stored = zarr.create_array(folder / "x", data=np.tile(_DATA, (20, 1)), chunks=(100, 4))
    began = time.monotonic()
    wanted, draw = bits(fitted(stored, tol=0)), np.random.default_rng(0)
    took, stopped = time.monotonic() - began, 0
    for _ in range(max(2, int(50 * share))):
        timer = threading.Timer(draw.uniform(0, took), os.kill, (os.getpid(), signal.SIGINT))
        try:
            timer.start()
            fitted(stored, tol=0)
            timer.join()
            time.sleep(0.1)
        except KeyboardInterrupt:
            stopped += 1
        assert bits(fitted(stored, tol=0)) == wanted
    assert stopped
    return f"{stopped} interrupted, the same bits after each"


def pipes(folder, share):
    """Standard output that is closed, full, or whose reader has gone."""
    streamkm.KMeans.from_centroids(np.ones((500, 4))).save(folder / "m")
    for end in ("| head -c 1", ">&-", ">/dev/full", "2>&-", ">&- 2>&-"):
        for words in ("info m --json", "info m", "--help", "clean ."):
            line = f"set -o pipefail; {' '.join(_COMMAND)} {words} {end}"
            ran = subprocess.run(
                ["bash", "-c", line], cwd=folder, capture_output=True, text=True, timeout=120
            )
            assert "Traceback" not in ran.stderr, (line, ran.stderr)
    return "no traceback"


def disks(folder, share):
    """Outputs of every format on a full disk, by a limit of the size of files."""
    from streamkm.cli import main

    np.save(folder / "x.npy", np.random.default_rng(0).normal(size=(30_000, 4)))
    os.chdir(folder)
    main(
        ["fit", "x.npy", "-k", "3", "--init", "random", "--max-iter", "1", "-o", "m"],
        standalone_mode=False,
    )
    lines = [f"predict m x.npy -o l.{end}" for end in ("npy", "nc", "parquet", "zarr")]
    lines += [f"export m -o c.{end}" for end in ("npy", "safetensors", "onnx")]
    lines += ["partition m x.npy -o p", "partition m x.npy -o p.parquet", "report m"]
    lines += ["nearest m x.npy -n 9 -o n.parquet", "ingest x.npy -o i.zarr"]
    lines += ["fit x.npy -k 3 --max-iter 1 -o n --plot p.png", "stream x.npy -k 3 -o s"]
    outcomes = []
    for line in lines:
        for limit in (0, 100, 4000):
            before = {path.name for path in folder.iterdir()}
            code, said = limited(line.split(), limit)
            new = {path.name for path in folder.iterdir()} - before
            shown = {name for name in new if not name.startswith(".")}
            assert "Traceback" not in said, (line, limit, said)
            if "--plot" in line and "n" in shown:
                assert len(streamkm.load_model("n").centroids) == 3  # whole, before the picture
                subprocess.run(["rm", "-rf", "n"], check=True)
                shown.remove("n")
            assert code == 0 or (said.count("Error:") == 1 and not shown), (
                line,
                limit,
                code,
                said,
                new,
            )
            outcomes.append(code)
            for name in shown:
                subprocess.run(["rm", "-rf", name], check=True)
    return f"{outcomes.count(1)} refused, {outcomes.count(0)} were small enough"


def limited(words, limit):
    """Run a command in a child whose files may have this size; what it says has no limit."""
    from streamkm.cli import main

    read, write = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            os.dup2(write, 1)
            os.dup2(write, 2)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            main(words, prog_name="streamkm")
        except SystemExit as stopped:
            sys.stdout.flush()
            os._exit(int(stopped.code or 0))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(99)
    os.close(write)
    with os.fdopen(read, errors="replace") as pipe:
        said = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said


LOADS = {
    each.__name__: each
    for each in (fits, partial_fits, blocks, rows, at_once, processes, cells, pipes, disks)
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*LOADS, []], default=list(LOADS))
    parser.add_argument("--share", type=float, default=1.0)
    asked = parser.parse_args()
    if len(asked.names) == 1:
        warnings.simplefilter("ignore")
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            said = LOADS[asked.names[0]](Path(folder), asked.share)
        cpu = sum(os.times()[:4])
        print(f"{asked.names[0]:12} {time.monotonic() - began:6.0f} s, {cpu:5.0f} CPU s: {said}")
        return
    failed = [
        name
        for name in asked.names
        if subprocess.call([sys.executable, "-m", "tests.loads", name, "--share", str(asked.share)])
    ]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
