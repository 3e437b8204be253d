"""Kernels are compiled once on a machine, for each precision, and this is reported."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
import zarr
from numba.core import event

import streamkm
from streamkm.kernels import few, many, pruned

_USE = """
import warnings, numpy as np
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    from streamkm.kernels import squared_length
    print(squared_length(np.ones((2, 3))), {w.category.__name__ for w in seen})
"""


_COMMAND = """
import logging, sys
from streamkm.cli import main
logging.basicConfig(format="log: %(message)s", level="INFO", stream=sys.stdout)
main(sys.argv[1:], standalone_mode=False)
from streamkm.kernels import compiling
print("compiled", compiling.kernels)
"""

# Every kind of arrays that kernels receive.
_EVERYTHING = """
import itertools, collections, importlib, pkgutil, warnings
import numba, numpy as np, zarr
import streamkm, streamkm.kernels
from streamkm.fitting import first_state, label, iterate
from streamkm.passes import Distances
from streamkm.engine import write_rows
from streamkm.rows import Room, open_rows

warnings.simplefilter("ignore")
for dtype, stored, weighted in itertools.product(("f4", "f8", "u1"), (False, True), (False, True)):
    x = (np.random.default_rng(0).normal(size=(600, 5)) * 20).astype(dtype)
    weights = 1 + np.arange(600) % 2.0 if weighted else None
    data = zarr.create_array({}, data=x, chunks=(50, 5)) if stored else x
    if stored and weighted:
        weights = zarr.create_array({}, data=weights, chunks=(50,))
    rows = open_rows(data, sample_weight=weights)
    inits = {False: ["auto", "farthest||", "k-means||"], True: ["auto"]}
    for table in inits:
        for init in inits[table]:
            state = first_state(rows, 40, init, [1], room=Room(600 * table, 400))
            state = iterate(rows, state, skip_evaluation=True)
            label(rows, state, np.empty(600, np.int32))
    write_rows(Distances(state.best.centroids, np.dtype("f8")), rows, np.empty((600, 40)))

def plain(kind):
    return (kind.dtype, kind.ndim) if isinstance(kind, numba.types.Array) else kind

for found in pkgutil.iter_modules(streamkm.kernels.__path__, "streamkm.kernels."):
    for name, member in vars(importlib.import_module(found.name)).items():
        if isinstance(member, numba.core.dispatcher.Dispatcher):
            seen = collections.Counter(tuple(map(plain, s)) for s in member.signatures)
            if seen and max(seen.values()) > 1:
                print(found.name, name, *member.signatures, sep="\\n")
"""


def _run(folder, *arguments, code=_USE, **settings):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **settings}
    result = subprocess.run(
        command, env=environment, cwd=folder, check=True, capture_output=True, text=True
    )
    return result


def test_kernels_are_cached_on_disk(tmp_path):
    assert _run(tmp_path, NUMBA_CACHE_DIR=str(tmp_path)).stdout == "6 set()\n"
    assert list(tmp_path.rglob("*.nbi"))


def test_without_a_writable_folder_kernels_still_run_and_say_so(tmp_path):
    """In a copy of the package, the cache folders are files, so not even root can write there."""
    source = Path(streamkm.__file__).parent
    copy = tmp_path / "streamkm"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "kernels" / "__pycache__").touch()
    nowhere = {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null", "NUMBA_CACHE_DIR": ""}
    result = _run(tmp_path, PYTHONPATH=str(tmp_path), **nowhere)
    assert result.stdout == "6 {'KernelCacheWarning'}\n"


def test_a_second_process_compiles_nothing_and_the_first_says_what_it_cost(tmp_path):
    zarr.create_array(
        tmp_path / "x", data=np.random.default_rng(0).random((900, 9)), chunks=(90, 9)
    )
    command = ["fit", tmp_path / "x", "-k", 3, "-o", tmp_path / "m", "--labels", tmp_path / "l"]
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    first = _run(tmp_path, *command, code=_COMMAND, **cache)
    assert "compiling kernels, once on this machine: " in first.stderr
    assert "log: compiled kernel" in first.stdout
    second = _run(tmp_path, *command, "--overwrite", code=_COMMAND, **cache)
    assert second.stdout.endswith("compiled 0\n")
    assert "compiling kernels" not in second.stderr
    assert "log: compiled" not in second.stdout


def test_no_kernel_is_compiled_twice_for_arrays_that_differ_only_in_layout(tmp_path):
    """Also not for writable and read-only arrays, which have different types in Numba."""
    assert _run(tmp_path, code=_EVERYTHING).stdout == ""


@pytest.mark.parametrize("kernels", [few, many, pruned])
def test_a_change_of_an_included_file_changes_the_file_that_numba_looks_at(kernels):
    found = hashlib.sha256()
    for included in ("_jit", "_products", "_settling", "_vectors", "_wide"):
        found.update(Path(few.__file__).with_name(f"{included}.py").read_bytes())
    assert found.hexdigest()[:16] == kernels.INCLUDED


def test_ctrl_c_during_a_compilation_is_raised_when_it_ends():
    reached = []

    class CtrlC(event.Listener):
        def on_start(self, event):
            signal.raise_signal(signal.SIGINT)
            reached.append("compiler")

        def on_end(self, event):
            reached.append("end")

    def successor(x):
        return x + 1

    successor.__module__ = "streamkm.kernels.successor"
    handler = signal.getsignal(signal.SIGINT)
    with event.install_listener("numba:compile", CtrlC()), pytest.raises(KeyboardInterrupt):
        numba.njit(successor)(1)
    assert reached[0] == "compiler"
    assert signal.getsignal(signal.SIGINT) == handler
