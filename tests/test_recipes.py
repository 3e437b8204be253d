"""The code of docs/recipes.md does what the page says."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.recipes import ROOT, SEEDING, examples


@pytest.fixture
def copy(tmp_path):
    """A copy of the sources, to which a test adds a file."""
    for folder in (
        "streamkm",
        *(f"tests/{f}" for f in ("checkpoint", "passes", "seeding", "updates")),
    ):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for file in (ROOT / "tests").glob("*.py"):
        shutil.copy(file, tmp_path / "tests")
    return tmp_path


def python(folder, *arguments):
    command, environment = [sys.executable, *arguments], {"PYTHONPATH": str(folder)}
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_a_file_in_the_package_adds_a_seeding_method(copy):
    module, test = examples("A new seeding method")
    (copy / "streamkm/seeding/heaviest.py").write_text(module)
    names = python(copy, "-c", "from streamkm.seeding import METHODS; print(*METHODS)")
    assert SEEDING in names.split()
    code = "from streamkm.cli import main; main(['fit', '--help'])"
    assert f"farthest||, {SEEDING}, k-means++" in " ".join(python(copy, "-c", code).split())
    (copy / "tests/seeding/test_heaviest.py").write_text(test)
    assert "1 passed" in python(copy, "-m", "pytest", "-q", "tests/seeding/test_heaviest.py")


def test_a_file_in_the_package_adds_a_pass_and_its_test_file_holds_it_to_the_contract(copy):
    module, call, test = examples("A new pass")
    (copy / "streamkm/passes/histogram.py").write_text(module)
    assert len(python(copy, "-c", call).split()) >= 3
    (copy / "tests/passes/test_histogram.py").write_text(test)
    every = "tests/passes/test_contract.py::test_every_pass_is_put_through_the_contract"
    ran = python(copy, "-m", "pytest", "-q", every, "tests/passes/test_histogram.py")
    assert "7 passed" in ran


def test_a_file_in_the_package_adds_an_update_and_its_test_file_holds_it_to_the_contract(copy):
    module, call, with_checkpoint, test = examples("A new update")
    (copy / "streamkm/updates/medians.py").write_text(module)
    without = python(copy, "-c", call).split()
    assert without[-2:] == ["nothing", "moved"]
    assert python(copy, "-c", with_checkpoint).split() == [without[-3], "False"]
    (copy / "tests/updates/test_medians.py").write_text(test)
    every = "tests/updates/test_laws.py::test_every_update_is_put_through_the_contract"
    ran = python(copy, "-m", "pytest", "-q", every, "tests/updates/test_medians.py")
    assert "14 passed" in ran


def test_a_file_in_the_package_adds_a_kind_of_file_for_ingest(copy):
    module, test = examples("A new kind of file")
    (copy / "streamkm/ingesting/fbin.py").write_text(module)
    (copy / "tests/test_fbin.py").write_text(test)
    assert "2 passed" in python(copy, "-m", "pytest", "-q", "tests/test_fbin.py")
    code = "from streamkm.cli import main; main(['ingest', '--help'])"
    assert "[csv|fbin|geotiff|" in python(copy, "-c", code)
