"""Importing costs nothing, and the public names are there."""

from __future__ import annotations

import subprocess
import sys

import pytest

import streamkm


def modules_after(statement):
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(run.stdout.split())


def test_importing_loads_nothing_heavy():
    loaded = modules_after("import streamkm")
    assert not loaded & {"numpy", "dask", "numba", "zarr", "xarray", "sklearn"}


def test_the_commands_help_loads_nothing_heavy():
    loaded = modules_after("from streamkm.cli import main; main(['--help'], standalone_mode=False)")
    assert not loaded & {"numpy", "dask", "numba", "zarr", "xarray", "sklearn"}


def test_public_names_load_on_first_use():
    assert set(dir(streamkm)) == set(streamkm.__all__)
    for name in streamkm.__all__:
        assert getattr(streamkm, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'KMedians'"):
        _ = streamkm.KMedians
