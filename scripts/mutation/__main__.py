"""Run the mutants of one package; see `scripts/mutants`."""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from scripts.mutation.reaching import Reached
from scripts.mutation.running import preload, run
from scripts.mutation.sampling import Mutant, mutants

ROOT = Path(__file__).parents[2]
KNOWN = Path(__file__).with_name("equivalent.tsv")
# Kernels that are compiled before any test sees them: instructions for LLVM, and compilation. The
# former are called by Numba's compiler only, so they do not count for the coverage.
EMITTED = ["_products.py", "_vectors.py", "_wide.py"]
COMPILED = ["_jit.py", *EMITTED, "compiling.py"]
# The tests of each package, without those that take a minute or compare files with what they were.
_ITERATIONS = """
    tests/updates tests/fitting/test_stopping.py tests/fitting/test_boundary.py
    tests/fitting/test_empty_clusters.py tests/fitting/test_settling.py
"""
TESTS = {
    "kernels": "tests/kernels tests/passes/test_colours.py tests/passes/test_distinct.py",
    "passes": f"tests/passes {_ITERATIONS}",
    "engine": "tests/test_fold_laws.py tests/test_engine.py tests/test_cached.py "
    "tests/test_many_clusters.py",
    "updates": _ITERATIONS,
    "checkpoint": "tests/checkpoint/test_lock.py "
    "tests/checkpoint/test_periodic.py tests/checkpoint/test_record.py "
    "tests/checkpoint/test_forged.py tests/checkpoint/test_states.py "
    "tests/checkpoint/test_values.py",
}
LEFT_OUT = [
    "tests/kernels/test_cache.py",
    "tests/kernels/test_instructions.py",
]


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/mutants")
    parser.add_argument("package", choices=TESTS)
    parser.add_argument("--sample", type=int, default=80, help="number of mutants")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="files whose name contains this")
    parser.add_argument("--light", action="store_true", help="no tests that start processes")
    parser.add_argument("--again", action="store_true", help="those that survived the last run")
    asked = parser.parse_args()
    os.environ["MUTANTS_LIGHT"] = "1" if asked.light else ""
    interpreted = asked.package == "kernels"
    if interpreted:
        os.environ["NUMBA_DISABLE_JIT"] = "1"
    folder = ROOT / "build" / "mutants"
    clean = copy(folder / "tree")
    reached = baselines(folder, clean, asked.package)
    tree = folder / asked.package  # the tests of another package may run at the same time
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(clean, tree)
    files = sorted((tree / "streamkm" / asked.package).glob("*.py"))
    files = [file for file in files if asked.only in file.name]
    if interpreted:
        files = [file for file in files if file.name not in COMPILED]
    preload()
    results = folder / f"{asked.package}-results-{asked.seed}{asked.only}.json"
    outcomes = {} if not asked.again else {key(r): r for r in json.loads(results.read_text())}
    for mutant in mutants(tree, files, asked.sample, asked.seed):
        last = outcomes.get(key(vars(mutant)), {}).get("outcome")
        outcome = last if last == "killed" else ""
        if not outcome:
            outcome = tried(mutant, reached, tree, folder / f"{asked.package}.log", interpreted)
            show = outcome not in ("killed", "equivalent")
            change = f"\n  - {mutant.before}\n  + {mutant.after}" if show else ""
            print(f"{outcome} {mutant.path}:{mutant.line}{change}", flush=True)
        outcomes[key(vars(mutant))] = {**vars(mutant), "text": "", "outcome": outcome}
        results.write_text(json.dumps(list(outcomes.values()), indent=1))
    count = Counter(each["outcome"] for each in outcomes.values())
    total = ", ".join(f"{n} {outcome}" for outcome, n in count.items())
    print(f"{asked.package}: {len(outcomes)} mutants, {total}")


def key(mutant: dict[str, Any]) -> tuple[Any, ...]:
    return mutant["path"], mutant["line"], mutant["before"], mutant["after"]


def copy(tree: Path) -> Path:
    """Bring a copy of the checkout and its compiled kernels up to date, times of files included."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    compiled = (ROOT / "streamkm/kernels/__pycache__").glob("*.nb*")
    wanted = {*names.splitlines(), *(str(path.relative_to(ROOT)) for path in compiled)}
    for name in wanted:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file() and stamp(ROOT / name) != stamp(tree / name):
            shutil.copy2(ROOT / name, tree / name)
    for path in tree.rglob("*.py"):
        if str(path.relative_to(tree)) not in wanted:
            path.unlink()
    return tree


def stamp(path: Path) -> tuple[int, int]:
    return (path.stat().st_mtime_ns, path.stat().st_size) if path.exists() else (0, 0)


def baselines(folder: Path, tree: Path, package: str) -> Reached:
    """Run the tests of the package once, and again if files have changed since the last run."""
    how = "interpreted-" if package == "kernels" else ""
    tests = {folder / (how + name.replace("/", "-")): name for name in TESTS[package].split()}
    measured = newest(*(tree / "streamkm" / each for each in TESTS))
    for at, name in tests.items():
        if stamp(named(at, "json"))[0] < max(newest(tree / name), measured):
            baseline(tree, name, at, package == "kernels")
    data = [named(at, "coverage") for at in tests]
    report(folder, tree, package, data)
    return Reached(tree, data, [named(at, "json") for at in tests])


def named(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.name}.{suffix}")


def newest(*paths: Path) -> int:
    """Return the time of the last change of some files, or of those in folders."""
    return max(stamp(f)[0] for p in paths for f in ([p] if p.is_file() else p.glob("*.py")))


def settings(at: Path, tree: Path) -> Path:
    sources = ",".join(f"{tree}/streamkm/{package}" for package in TESTS)
    emitted = ",".join(f"{tree}/streamkm/kernels/{name}" for name in EMITTED)
    file = named(at, "rc")
    file.write_text(
        f"[run]\nbranch = True\nsource = {sources}\nomit = {emitted}\ndata_file = {at}.coverage\n"
        "[report]\nexclude_also =\n    if TYPE_CHECKING\n    @abstractmethod\n"
    )
    return file


def baseline(tree: Path, tests: str, at: Path, interpreted: bool) -> None:
    """Run tests and record what each reaches, and its time."""
    words = [sys.executable, "-m", "coverage", "run", f"--rcfile={settings(at, tree)}"]
    words += ["-m", "pytest", "-q", "--no-header", "--tb=line", "-p", "no:cacheprovider"]
    words += ["-p", "_hypothesis_pytestplugin", "-p", "scripts.mutation.recording"]
    if interpreted:
        words += ["-p", "scripts.mutation.interpreted", "-W", "ignore::RuntimeWarning"]
    environment = os.environ | {
        "MUTANTS_TESTS": str(named(at, "json")),
        "PYTHONPATH": str(tree),
        "COVERAGE_CORE": "ctrace",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONDONTWRITEBYTECODE": "",  # compiled modules are copied for the mutants
    }
    named(at, "coverage").unlink(missing_ok=True)
    words += [f"--ignore={name}" for name in LEFT_OUT]
    subprocess.run([*words, tests], cwd=tree, env=environment, check=False)


def report(folder: Path, tree: Path, package: str, data: list[Path]) -> None:
    """Print the coverage of a package by its tests."""
    rc = settings(folder / f"{package}-all", tree)
    words = [sys.executable, "-m", "coverage"]
    subprocess.run(
        [*words, "combine", f"--rcfile={rc}", "--keep", "-q", *map(str, data)], cwd=tree, check=True
    )
    include = f"--include={tree}/streamkm/{package}/*"
    subprocess.run(
        [*words, "report", f"--rcfile={rc}", include, "-m", "--skip-covered"], cwd=tree, check=True
    )


def tried(mutant: Mutant, reached: Reached, tree: Path, log: Path, interpreted: bool) -> str:
    """Return killed, equivalent, survived, or unreached, if no test reaches the line."""
    groups = [reached.tests(mutant.path, mutant.line, slow) for slow in (False, True)]
    known = (mutant.path, mutant.before, mutant.after) in equivalent()
    if not any(groups):
        return "equivalent" if known else "unreached"
    path = tree / mutant.path
    original, status = path.read_bytes(), path.stat()
    path.write_text(mutant.text)
    try:
        plugins = ["scripts.mutation.interpreted"] if interpreted else []
        for tests in filter(None, groups):
            seconds = 20 + 4 * sum(reached.seconds[test] for test in tests)
            if run(tree, tests, plugins, seconds, log):
                return "killed"
    finally:
        path.write_bytes(original)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return "equivalent" if known else "survived"


def equivalent() -> set[tuple[str, str, str]]:
    """Return the known mutants that no test can notice: file, line before and after."""
    if not KNOWN.exists():
        return set()
    with KNOWN.open(newline="") as file:
        return {(r["file"], r["before"], r["after"]) for r in csv.DictReader(file, delimiter="\t")}


if __name__ == "__main__":
    main()
