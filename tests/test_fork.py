"""A process that was forked after a fit can fit too."""

from __future__ import annotations

import subprocess
import sys

import pytest

# The child has none of the parent's threads, so a pool that it inherits never runs a task.
_FIT_FORK_FIT = """
import os, sys, threading
import dask, dask.array as da, numpy as np, zarr
import streamkm

x = np.random.default_rng(0).normal(size=(4000, 3))
stored = zarr.create_array(sys.argv[1], data=x, chunks=(500, 3))
data = {"dask": da.from_array(x, (500, 3)), "zarr": stored, "numpy": x}[sys.argv[2]]

def centers():
    model = streamkm.KMeans(3, random_state=0, init="random", memory_limit="400MiB")
    return model.fit(data).cluster_centers_

before = centers()
# Fits on several threads leave nothing in Dask's configuration, which all threads share.
others = [threading.Thread(target=centers) for _ in range(3)]
for thread in others: thread.start()
for thread in others: thread.join()
assert dask.config.get("pool", None) is None
assert dask.config.get("num_workers", None) is None
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(centers(), before) else 3)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.parametrize("kind", ["dask", "zarr", "numpy"])
def test_a_forked_process_fits_to_the_same_bits(kind, tmp_path):
    script = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", _FIT_FORK_FIT]
    done = subprocess.run([*script, str(tmp_path / "x"), kind], timeout=120)
    assert done.returncode == 0
