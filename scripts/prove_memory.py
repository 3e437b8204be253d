"""Peak memory of a fit against the size of its data, under a cap that the kernel enforces.

    scripts/prove-memory [GB ...] [-k 50] [--features 64] [--iterations 5] [--limit 1GiB]

The stores have float32 rows around 50 centres, in random order.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import zarr

CAP = 1_500_000_000
CHUNK = 65_536
SIZES = (0.3, 1, 2, 4, 6)  # the first one fits in memory and is cached
CONTROL = "import zarr, sys; print(zarr.open_array(sys.argv[1], mode='r')[...].nbytes)"


def make(path: Path, gigabytes: float, d: int) -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(50, d)).astype(np.float32) * 3
    rows = int(gigabytes * 10**9) // (d * 4)
    store = zarr.create_array(
        path, shape=(rows, d), chunks=(CHUNK, d), dtype="f4", compressors=None
    )
    for start in range(0, rows, CHUNK):
        stop = min(start + CHUNK, rows)
        noise = rng.standard_normal((stop - start, d), dtype=np.float32)
        store[start:stop] = centres[rng.integers(50, size=stop - start)] + noise


def capped(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with no more than CAP bytes of private data (RLIMIT_DATA)."""

    def cap() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (CAP, CAP))

    command = [sys.executable, *arguments]
    return subprocess.run(command, preexec_fn=cap, capture_output=True, text=True, check=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="*", type=float, default=SIZES)
    parser.add_argument("-k", default="50")
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--iterations", default="5")
    parser.add_argument("--limit", default="1GiB")
    asked = parser.parse_args()
    sizes = asked.sizes
    folder = Path(tempfile.mkdtemp(prefix="streamkm-memory-"))
    peaks = []
    try:
        print(
            f"cap {CAP / 1e9} GB of data, limit {asked.limit}, {asked.features} features, "
            f"k={asked.k}, {asked.iterations} iterations, labels written"
        )
        print("| store GB | cached | blocks | projected MiB | measured peak MiB | reads |")
        print("|---|---|---|---|---|---|")
        for size in sizes:
            data = folder / "data.zarr"
            make(data, size, asked.features)
            fit = ["-m", "streamkm", "fit", str(data), "-k", asked.k, "-o", str(folder / "m.zarr")]
            fit += ["--labels", str(folder / "l.zarr"), "--memory-limit", asked.limit, "--json"]
            fit += ["--max-iter", asked.iterations, "--tol", "0", "--overwrite"]
            promised = json.loads(capped(*fit, "--dry-run").stdout)
            run = capped(*fit)
            if run.returncode:
                sys.exit(f"the fit of {size} GB failed:\n{run.stderr}")
            result = json.loads(run.stdout)
            peak, projected = result["peak_memory_bytes"], promised["projected_memory_bytes"]
            cached = promised["cached_bytes"] is not None
            if not cached:
                peaks.append(peak)
            print(
                f"| {size:g} | {'yes' if cached else 'no'} | {promised['blocks']} "
                f"| {projected / 2**20:.0f} | {peak / 2**20:.0f} | {result['reads']} |",
                flush=True,
            )
            if peak > projected:
                sys.exit("the peak is over the projection")
            if result["reads"] > promised["reads_at_most"]:
                sys.exit("more reads than were forecast")
            if size == sizes[-1] > 1:
                control = capped("-c", CONTROL, str(data))
                said = control.stderr.strip().splitlines()[-1:] or ["nothing"]
                print(f"control, loading it all: exit {control.returncode}, {said[0]}")
                if control.returncode == 0:
                    sys.exit("the control did not fail, so the cap proves nothing")
            shutil.rmtree(data)
    finally:
        shutil.rmtree(folder)
    if not peaks:
        return
    spread = max(peaks) / min(peaks) - 1
    print(f"spread of the peaks {spread:.1%}")
    if spread > 0.1:
        sys.exit("the peak grows with the data")


if __name__ == "__main__":
    main()
