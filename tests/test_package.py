"""What is installed, which modules importing streamkm and commands load, and who may import."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from flit_core import buildapi

import streamkm
from streamkm.cli import main
from streamkm.seeding import METHODS

ROOT = Path(__file__).parent.parent
HEAVY = {"numpy", "dask", "numba", "zarr", "xarray", "sklearn", "pandas", "rich"}
# Modules that a fit of an array or a store does not load (scikit-learn loads pandas if installed).
WIDE = {"dask.array", "xarray"}

# Modules that may import others of streamkm in functions: the lazy packages, the tables of commands
# and of what `info` shows, the forecast, which needs xarray only for sweeps, and a module that only
# sometimes needs rich, whose import is slow.
LAZY = {
    "__init__.py",
    "images/__init__.py",
    "checkpoint/generations.py",  # this and the others of guarded stores: they import Zarr
    "cli/app.py",
    "cli/common.py",  # what other runs have left is looked for after a run
    "cli/commands/info.py",
    "cli/commands/info_outputs.py",
    "outputs/marks.py",
    "outputs/reading.py",
    "reporting/report.py",
    "reporting/watch.py",
    "rows/checked.py",
    "rows/chunks.py",
    "rows/paths.py",
    "runs/forecast.py",
    "showing/verbose.py",
}


def modules_after(statement):
    code = f"import sys\n{statement}\nprint('modules:', *sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(run.stdout.rpartition("modules:")[2].split())


def modules_of_command(*arguments):
    words = [str(word) for word in arguments]
    return modules_after(f"from streamkm.cli import main; main({words}, standalone_mode=False)")


def wheel_of(folder, out, monkeypatch):
    """The texts of the files of the wheel that is built in a folder, without those about it."""
    monkeypatch.chdir(folder)
    with ZipFile(out / buildapi.build_wheel(str(out))) as wheel:
        files = {name: wheel.read(name) for name in wheel.namelist()}
    return {name: text for name, text in files.items() if not name.endswith(("RECORD", "WHEEL"))}


def test_the_wheel_has_the_package_and_no_build_folder_stays(tmp_path, monkeypatch):
    before = set(ROOT.iterdir())
    files = wheel_of(ROOT, tmp_path, monkeypatch)
    assert set(ROOT.iterdir()) == before
    package = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("streamkm/**/*.py")}
    assert {name for name in files if ".dist-info" not in name} == package | {"streamkm/py.typed"}
    about = f"streamkm-{streamkm.__version__}.dist-info"
    commands = files[f"{about}/entry_points.txt"].decode().splitlines()
    assert {"streamkm=streamkm.cli:main", "streamkm.codebook=streamkm.images:CodebookCodec"} <= set(
        commands
    )


def test_the_source_distribution_builds_the_same_wheel(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    with tarfile.open(tmp_path / buildapi.build_sdist(str(tmp_path))) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert (folder / "tests/test_package.py").exists()
    wheel = wheel_of(folder, tmp_path, monkeypatch)
    assert wheel == wheel_of(ROOT, tmp_path, monkeypatch)


def test_importing_loads_nothing_heavy():
    assert not modules_after("import streamkm") & HEAVY


@pytest.mark.parametrize("command", [[], ["fit"], ["sweep"], ["predict"], ["ingest"], ["info"]])
def test_the_help_of_every_command_loads_nothing_heavy(command):
    assert not modules_of_command(*command, "--help") & HEAVY


@pytest.mark.parametrize("command", ["fit", "sweep"])
def test_the_command_line_offers_every_seeding(command):
    shown = CliRunner().invoke(main, [command, "--help"], terminal_width=1000).output
    assert f"first centroids: {', '.join(['auto', *sorted(METHODS)])}." in shown


def test_a_fit_in_memory_needs_no_library_of_other_peoples_arrays():
    fit = "import numpy, streamkm; streamkm.KMeans(2).fit(numpy.eye(9)).predict(numpy.eye(9))"
    loaded = modules_after(fit)
    assert "numba" in loaded
    assert not loaded & (WIDE | {"zarr"})


def test_a_fit_from_the_command_line_needs_neither_dask_array_nor_xarray_nor_sklearn(tmp_path):
    zarr.create_array(tmp_path / "x", data=np.eye(40), chunks=(9, 40))
    fit = ["fit", tmp_path / "x", "-k", 3, "-o", tmp_path / "m", "--labels", tmp_path / "l"]
    loaded = modules_of_command(*fit, "--checkpoint", tmp_path / "c")
    assert "zarr" in loaded
    assert not loaded & (WIDE | {"sklearn", "pandas", "scipy.optimize"})
    predict = ["predict", tmp_path / "m", tmp_path / "x", "-o", tmp_path / "again"]
    assert not modules_of_command(*predict) & (WIDE | {"sklearn", "pandas"})
    assert not modules_of_command("info", tmp_path / "m") & (WIDE | {"sklearn", "pandas", "numba"})
    assert "matplotlib" not in modules_of_command("info", tmp_path / "c")


def test_public_names_load_on_first_use():
    assert set(dir(streamkm)) == set(streamkm.__all__)
    for name in streamkm.__all__:
        assert getattr(streamkm, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'KMedians'"):
        _ = streamkm.KMedians


def test_every_listed_name_is_there():
    found = pkgutil.walk_packages(streamkm.__path__, "streamkm.")
    packages = [importlib.import_module(each.name) for each in found if each.ispkg]
    missing = [
        f"{package.__name__}.{name}"
        for package in packages
        for name in getattr(package, "__all__", ())
        if not hasattr(package, name)
    ]
    assert len(packages) > 20
    assert missing == []


def late_imports(path):
    """Line numbers at which a function of a file imports a module of streamkm."""
    found = set()
    for function in ast.walk(ast.parse(path.read_text())):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        for node in ast.walk(function):
            match node:
                case ast.ImportFrom(module=str(name)) if name.split(".")[0] == "streamkm":
                    found.add(node.lineno)
                case ast.Import(names=names) if any(
                    alias.name.split(".")[0] == "streamkm" for alias in names
                ):
                    found.add(node.lineno)
                case ast.Call(func=ast.Name(id="import_module"), args=[argument, *_]) if (
                    "streamkm" in ast.unparse(argument) or "_PUBLIC" in ast.unparse(argument)
                ):
                    found.add(node.lineno)
    return sorted(found)


def test_only_lazy_packages_and_tables_import_streamkm_in_functions():
    package = Path(streamkm.__file__).parent
    found = {
        path.relative_to(package).as_posix(): late_imports(path) for path in package.rglob("*.py")
    }
    assert {name for name, lines in found.items() if lines} == LAZY, found
