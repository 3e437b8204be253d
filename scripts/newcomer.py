"""Follow the start and the tutorials in new environments: ``python -m scripts.newcomer [NAME]``.

A wheel is installed with only the extras that a page or an example names, the code and the commands
of the page are run in a new folder, and the times are printed. Most of the time is that of pip and
of the first compilation of the kernels.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "docs/start.md", ROOT / "docs/ivf-index.md", *sorted(ROOT.glob("examples/*.py"))]
_BLOCK = re.compile(r"^```(python|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_EXTRAS = re.compile(r"pip install '(?:streamkm|\.)\[(.*?)\]'")


def followed(page: Path) -> str:
    """Return a program that runs an example, or what a page shows, in the order of the page."""
    text = page.read_text("utf-8")
    if page.suffix == ".py":
        return text
    parts = ["from __future__ import annotations\nfrom subprocess import run as _run\n"]
    for kind, block in _BLOCK.findall(text):
        commands = re.findall(r"^\$ (streamkm .*)$", block, re.MULTILINE)
        shell = "".join(f"_run({line!r}, shell=True, check=True)\n" for line in commands)
        parts.append(block if kind == "python" else shell)
    return "".join(parts)


def timed(command: list[str], folder: Path, env: dict[str, str]) -> str:
    """Run a command, which must succeed, and return its times."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"{' '.join(command)}\n{run.stdout}{run.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return f"{time.monotonic() - began:.0f} s ({cpu:.0f} s of CPU time)"


def main(names: list[str]) -> None:
    """Follow the pages with these names, or all, and print a line for each."""
    pages = [page for page in PAGES if not names or page.stem in names]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheels = ["wheel", "--quiet", "--no-deps", "--wheel-dir", name, str(ROOT)]
        subprocess.run([sys.executable, "-m", "pip", *wheels], check=True)
        (wheel,) = folder.glob("*.whl")
        for page in pages:
            found = _EXTRAS.search(page.read_text("utf-8"))
            assert found is not None, page
            extras = found[1]
            environment, work = folder / f"environment-{extras}", folder / page.stem
            own = {"PATH": f"{environment}/bin{os.pathsep}{os.environ['PATH']}"}
            env = {n: v for n, v in os.environ.items() if n not in ("PYTHONPATH", "VIRTUAL_ENV")}
            work.mkdir()
            if not environment.exists():
                subprocess.run([sys.executable, "-m", "venv", environment], check=True)
                pip = [f"{environment}/bin/pip", "install", "--quiet", f"{wheel}[{extras}]"]
                print(f"pip install [{extras}]: {timed(pip, folder, env | own)}", flush=True)
            (work / "followed.py").write_text(followed(page), "utf-8")
            program = [f"{environment}/bin/python", "followed.py"]
            program += ["picture.png"] * (page.suffix == ".py")
            print(f"{page.stem}: {timed(program, work, env | own)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
