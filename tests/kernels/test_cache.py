from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import streamkm

_USE = """
import warnings, numpy as np
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    from streamkm.kernels import squared_length
    print(squared_length(np.ones((2, 3))), {w.category.__name__ for w in seen})
"""


def _run(folder, **settings):
    command = [sys.executable, "-c", _USE]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **settings}
    result = subprocess.run(
        command, env=environment, cwd=folder, check=True, capture_output=True, text=True
    )
    return result.stdout.split()


def test_kernels_are_cached_on_disk(tmp_path):
    assert _run(tmp_path, NUMBA_CACHE_DIR=str(tmp_path)) == ["6", "set()"]
    assert list(tmp_path.rglob("*.nbi"))


def test_without_a_writable_folder_kernels_still_run_and_say_so(tmp_path):
    """A copy of the package whose cache folders are files: not even root can write there."""
    source = Path(streamkm.__file__).parent
    copy = tmp_path / "streamkm"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "kernels" / "__pycache__").touch()
    nowhere = {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null", "NUMBA_CACHE_DIR": ""}
    assert _run(tmp_path, PYTHONPATH=str(tmp_path), **nowhere) == ["6", "{'KernelCacheWarning'}"]
