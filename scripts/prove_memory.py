"""Peak memory of a fit against the size of its data, under a cap that the kernel enforces."""

from __future__ import annotations

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
LIMIT = "1GiB"
FEATURES, CHUNK = 64, 65_536
SIZES = (0.3, 1, 2, 4, 6)  # the first one fits in memory and is cached
CONTROL = "import zarr, sys; print(zarr.open_array(sys.argv[1], mode='r')[...].nbytes)"


def make(path: Path, gigabytes: float) -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(50, FEATURES)).astype(np.float32) * 3
    rows = int(gigabytes * 10**9) // (FEATURES * 4)
    store = zarr.create_array(
        path, shape=(rows, FEATURES), chunks=(CHUNK, FEATURES), dtype="f4", compressors=None
    )
    for start in range(0, rows, CHUNK):
        stop = min(start + CHUNK, rows)
        noise = rng.standard_normal((stop - start, FEATURES), dtype=np.float32)
        store[start:stop] = centres[rng.integers(50, size=stop - start)] + noise


def capped(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with no more than CAP bytes of private data (RLIMIT_DATA)."""

    def cap() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (CAP, CAP))

    command = [sys.executable, *arguments]
    return subprocess.run(command, preexec_fn=cap, capture_output=True, text=True, check=False)


def main() -> None:
    sizes = [float(s) for s in sys.argv[1:]] or list(SIZES)
    folder = Path(tempfile.mkdtemp(prefix="streamkm-memory-"))
    peaks = []
    try:
        print(f"cap {CAP / 1e9} GB of data, limit {LIMIT}, k=50, 5 iterations, labels written")
        print("| store GB | cached | blocks | projected MiB | measured peak MiB | reads |")
        print("|---|---|---|---|---|---|")
        for size in sizes:
            data = folder / "data.zarr"
            make(data, size)
            fit = ["-m", "streamkm", "fit", str(data), "-k", "50", "-o", str(folder / "m.zarr")]
            fit += ["--labels", str(folder / "l.zarr"), "--memory-limit", LIMIT, "--json"]
            fit += ["--max-iter", "5", "--tol", "0", "--overwrite"]
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
