"""Start-up times: imports, help, and a first fit with and without compiled kernels."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import zarr

ROUNDS = 5
PYTHON = {
    "nothing (Python itself)": "",
    "import streamkm": "import streamkm",
    "import numba": "import numba",
    "import zarr": "import zarr",
    "import sklearn.base": "import sklearn.base",
    "import dask.array": "import dask.array",
    "import xarray": "import xarray",
    "from streamkm import KMeans": "from streamkm import KMeans",
    "from streamkm import sweep": "from streamkm import sweep",
    "KMeans(3).fit(1,000 rows)": "import numpy as np, streamkm;"
    "streamkm.KMeans(3).fit(np.random.default_rng(0).random((1000, 8)))",
}
COMMANDS = ("", "fit", "sweep", "predict", "info")


def seconds(*arguments: object, **settings: str) -> tuple[float, str]:
    """Return the wall time of a Python process, and its stderr."""
    began = time.perf_counter()
    run = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, **settings},
        check=True,
        capture_output=True,
        text=True,
    )
    return time.perf_counter() - began, run.stderr


def show(name: str, *arguments: object) -> None:
    seconds(*arguments)
    times = [seconds(*arguments)[0] for _ in range(ROUNDS)]
    median, least, most = statistics.median(times), min(times), max(times)
    print(f"| {name} | {median:.2f} ({least:.2f}-{most:.2f}) |", flush=True)


def first_fit(folder: Path, dtype: str) -> None:
    """Time a fit with labels, of two or more reads, with an empty kernel cache and again."""
    data = folder / f"{dtype}.zarr"
    x = (np.random.default_rng(0).random((2_000, 16)) * 255).astype(dtype)
    zarr.create_array(data, data=x, chunks=(500, 16))
    fit = ["-m", "streamkm", "fit", data, "-k", 8, "-o", folder / "m", "--overwrite"]
    fit += ["--labels", folder / "l"]
    cache = str(folder / f"cache-{dtype}")
    cold, said = seconds(*fit, NUMBA_CACHE_DIR=cache)
    compiling = next(line for line in said.splitlines() if line.startswith("compiling"))
    warm = [seconds(*fit, NUMBA_CACHE_DIR=cache)[0] for _ in range(ROUNDS)]
    kernels = len(list(Path(cache).rglob("*.nbc")))
    print(f"| {dtype} | {cold:.2f} | {compiling} | {kernels} | {statistics.median(warm):.2f} |")


def main() -> None:
    print(f"\n## Cold start: seconds, median (min-max) of {ROUNDS} processes, files in memory")
    print("| what | s |")
    print("|---|---|")
    for name, code in PYTHON.items():
        show(name, "-c", code)
    for command in COMMANDS:
        words = " ".join(["streamkm", command, "--help"]).replace("  ", " ")
        show(f"`{words}`", "-m", "streamkm", *filter(None, [command]), "--help")
    print("\n## First fit: `streamkm fit` of 2,000 x 16, k=8, with labels")
    print("| dtype | first, s | compiled kernels | kernels in the cache | again, s |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for dtype in ("float32", "float64", "uint8"):
            first_fit(Path(folder), dtype)


if __name__ == "__main__":
    main()
