"""Measure the size and shape of a source tree: `scripts/measure-code [TREE]`.

This script checks nothing; the enforced limits are in pyproject.toml.
"""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
import tempfile
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

MAX_COMPLEXITY, MAX_PARAMETERS, WINDOW = 10, 7, 6

# Another interpreter runs this with TREE on its path; it prints the files of called functions.
TRACE = """
import sys, threading
names = set()
def profile(frame, event, arg):
    if event == "call" and frame.f_code.co_name != "<module>":
        names.add(frame.f_code.co_filename)
import streamkm, streamkm.cli
{imports}
threading.setprofile(profile)
sys.setprofile(profile)
try:
    {run}
finally:
    sys.setprofile(None)
    threading.setprofile(None)
    root = streamkm.__path__[0]
    files = sorted(name[len(root) + 1 :] for name in names if name.startswith(root))
    open(sys.argv[1], "w").write("\\n".join(files))
"""
STORE = """
import numpy as np, zarr
store = zarr.create_array({path!r}, shape=(500, 3), chunks=(100, 3), dtype="f8")
store[:] = np.random.default_rng(0).normal(size=(500, 3))
"""
OPEN = "import zarr; X = zarr.open_array({path!r}, mode='r')"
FITS = {
    "KMeans(3).fit of an array in memory": (OPEN + "[:]", "streamkm.KMeans(3).fit(X)"),
    "KMeans(3).fit of a Zarr store": (OPEN, "streamkm.KMeans(3).fit(X)"),
    "streamkm fit of a Zarr store with labels": (
        "",
        "streamkm.cli.main(['fit', {path!r}, '-k', '3', '-o', {path!r} + '.model', "
        "'--labels', {path!r} + '.labels'], standalone_mode=False)",
    ),
}


def main(tree: Path) -> None:
    package = sorted((tree / "streamkm").rglob("*.py"))
    print("Lines")
    for name, files in {
        "streamkm": package,
        "tests": sorted((tree / "tests").rglob("*.py")),
        "scripts": sorted((tree / "scripts").rglob("*.py")),
    }.items():
        print(f"  {name:10}", lines(files))
    pages = [*tree.glob("*.md"), *(tree / "docs").rglob("*.md")]
    print(f"  {'documents':10}", sum(len(page.read_text().splitlines()) for page in pages))
    sizes = sorted(((len(f.read_text().splitlines()), f) for f in package), reverse=True)
    show("Files over 250 lines", [f"{f.relative_to(tree)} {n}" for n, f in sizes if n > 250])
    show(f"Functions with complexity over {MAX_COMPLEXITY}", ruff(tree, "C901"))
    show(f"Functions with over {MAX_PARAMETERS} parameters", ruff(tree, "PLR0913"))
    show("First-party imports in functions", hidden_imports(tree, package))
    text = "".join(f.read_text() for f in package)
    trees = [ast.parse(f.read_text()) for f in package]
    anys = sum(isinstance(n, ast.Name) and n.id == "Any" for t in trees for n in ast.walk(t))
    print(f"Any: {anys}\ntype: ignore: {text.count('type: ignore')}")
    show(f"Duplicates of {WINDOW} or more lines of code", duplicates(tree, package))
    for name, (imports, run) in FITS.items():
        show(f"Files that take part in {name}", files_of_a_run(tree, imports, run), names=False)


def show(title: str, found: list[str], names: bool = True) -> None:
    print(f"{title}: {len(found)}")
    for line in found if names else ():
        print("  ", line)


def lines(files: list[Path]) -> str:
    """Count the files, all lines, and those of code, docstrings and comments."""
    counts: Counter[str] = Counter(files=len(files))
    for file in files:
        counts["lines"] += len(file.read_text().splitlines())
        for name, numbers in kinds(file).items():
            counts[name] += len(numbers)
    return ", ".join(
        f"{counts[name]} {name}" for name in ("files", "lines", "code", "docstrings", "comments")
    )


def kinds(file: Path) -> dict[str, set[int]]:
    """Return the numbers of the lines with code, docstrings, and comments alone."""
    text = file.read_text()
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                docstrings.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    code: set[int] = set()
    comments: set[int] = set()
    blank = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            comments.add(token.start[0])
        elif token.type not in blank:
            code.update(range(token.start[0], token.end[0] + 1))
    return {"code": code - docstrings, "docstrings": docstrings, "comments": comments - code}


def ruff(tree: Path, code: str) -> list[str]:
    """Name the functions over a limit, largest first, by ruff's own rules."""
    command = [
        *(sys.executable, "-m", "ruff", "check", "--isolated", "--select", code, "--exit-zero"),
        *("--config", f"lint.mccabe.max-complexity={MAX_COMPLEXITY}"),
        *("--config", f"lint.pylint.max-args={MAX_PARAMETERS}"),
        *("--output-format", "json", str(tree / "streamkm")),
    ]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return [
        f"{Path(f['filename']).relative_to(tree)}:{f['location']['row']} {f['message']}"
        for f in found
    ]


def hidden_imports(tree: Path, files: list[Path]) -> list[str]:
    """Name the imports of streamkm by streamkm inside functions."""
    found = []
    for file in files:
        for function in functions(ast.parse(file.read_text())):
            for node in ast.walk(function):
                match node:
                    case ast.ImportFrom(module=str(module)) if module.split(".")[0] == "streamkm":
                        found.append(f"{file.relative_to(tree)}:{node.lineno} {module}")
                    case ast.Import(names=names):
                        found += [
                            f"{file.relative_to(tree)}:{node.lineno} {alias.name}"
                            for alias in names
                            if alias.name.split(".")[0] == "streamkm"
                        ]
    return sorted(set(found))


def functions(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.walk(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child


def duplicates(tree: Path, files: list[Path]) -> list[str]:
    """Name the runs of at least WINDOW equal lines of code that occur in two places.

    Blank lines, comments, docstrings, imports and lone brackets do not count.
    """
    places: dict[tuple[str, ...], list[tuple[Path, int]]] = defaultdict(list)
    for file in files:
        text = file.read_text().splitlines()
        numbers = [
            n
            for n in sorted(kinds(file)["code"])
            if text[n - 1].strip(" ()[]{},:") and not text[n - 1].startswith(("import ", "from "))
        ]
        for i in range(len(numbers) - WINDOW + 1):
            run = numbers[i : i + WINDOW]
            places[tuple(text[n - 1].strip() for n in run)].append((file, run[0]))
    found, last = [], {}
    for where in places.values():
        if len(where) > 1:
            pair = tuple(file for file, _ in where)
            first = tuple(line for _, line in where)
            before = last.get(pair)
            # A longer run is one duplicate, found at its first window.
            if before is None or any(
                b - a > WINDOW or b < a for a, b in zip(before, first, strict=True)
            ):
                found.append(" = ".join(f"{f.relative_to(tree)}:{n}" for f, n in where))
            last[pair] = first
    return found


def files_of_a_run(tree: Path, imports: str, run: str) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        path, out = f"{folder}/rows.zarr", f"{folder}/files"
        environment = os.environ | {"PYTHONPATH": str(tree)}
        subprocess.run([sys.executable, "-c", STORE.format(path=path)], check=True)
        script = TRACE.format(imports=imports.format(path=path), run=run.format(path=path))
        subprocess.run(
            [sys.executable, "-c", script, out],
            check=True, capture_output=True, env=environment, cwd=folder,
        )  # fmt: skip
        return Path(out).read_text().splitlines()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve())
