"""The files of a release agree with each other: versions, requirements, extras and scripts."""

from __future__ import annotations

import ast
import os
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import streamkm
from scripts.extras import extras

ROOT = Path(__file__).parent.parent
OWN = {"streamkm", *sys.stdlib_module_names}
PACKAGES = packages_distributions()
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA = {"dask": "dask-core"}  # without the packages of its extras, which streamkm requires itself


def read(name):
    return yaml.safe_load((ROOT / name).read_text())


def test_the_version_is_the_same_everywhere():
    recipe, citation = read("conda/meta.yaml"), read("CITATION.cff")
    found = {PROJECT["version"], recipe["package"]["version"], citation["version"]}
    assert found == {streamkm.__version__}
    assert citation["license"] == recipe["about"]["license"] == PROJECT["license"]
    assert {"cff-version", "message", "title", "authors"} <= set(citation)


def test_the_conda_recipe_has_the_requirements_of_the_project():
    wanted = {f"python {PROJECT['requires-python']}"}
    for text in PROJECT["dependencies"]:
        requirement = Requirement(text)
        wanted.add(f"{CONDA.get(requirement.name, requirement.name)} {requirement.specifier}")
    assert set(read("conda/meta.yaml")["requirements"]["run"]) == wanted
    (entry,) = read("conda/meta.yaml")["build"]["entry_points"]
    assert entry == f"streamkm = {PROJECT['scripts']['streamkm']}"


def names(texts):
    """The packages of requirements, and of the extras of streamkm among them."""
    found = set()
    for requirement in map(Requirement, texts):
        own = [names(extras()[extra]) for extra in requirement.extras]
        found |= set().union(*own) if requirement.name == "streamkm" else {requirement.name}
    return found


def test_tests_of_versions_are_there():
    named = re.findall(r"tests/[\w/.]+", (ROOT / "scripts/versions").read_text())
    assert named
    assert all((ROOT / path).exists() for path in named)


def test_all_has_the_packages_of_every_extra():
    everything = names(extras()["all"])
    for texts in extras().values():
        assert names(texts) <= everything


def test_every_extra_is_documented():
    page = (ROOT / "docs/install.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(extras())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_names_the_extras_that_it_needs(path):
    tree = ast.parse(path.read_text())
    needs = re.search(r"^Needs: ``pip install 'streamkm\[(.*)\]'``$", ast.get_docstring(tree), re.M)
    installed = {Requirement(text).name for text in PROJECT["dependencies"]}
    installed |= set().union(*(names(extras()[extra]) for extra in needs[1].split(",")))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {
        name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    }
    if "streamkm.plot" in path.read_text():
        modules.add("matplotlib")
    for module in {name.split(".")[0] for name in modules} - OWN:
        assert {canonicalize_name(name) for name in PACKAGES[module]} & installed, module


def test_the_workflow_runs_scripts_of_the_repository():
    jobs = read(".github/workflows/ci.yml")["jobs"]
    ran = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    scripts = sorted(line.split()[0] for line in ran)
    assert scripts == [".ci/run", "scripts/docs", "scripts/versions"]
    assert all(os.access(ROOT / script, os.X_OK) for script in scripts)
    assert all(job["timeout-minutes"] <= 90 for job in jobs.values())
