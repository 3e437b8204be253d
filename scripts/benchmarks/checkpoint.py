"""The cost of checkpoints: the same fit without and with them, alternately, by default settings.

    scripts/bench checkpoint [--rounds 3] [--seconds 150]

It also measures how long one state takes to write and to read, with cached boundary rows.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from data import FOLDER, stored_mixture

K = 50


def fit(data: Path, folder: Path, steps: int, *more: str) -> float:
    """Return the seconds of a command with this number of reads."""
    rules = ["--init", "random", "--tol", "0", "--loss-tol", "0", "--max-iter", str(steps)]
    outputs = ["-o", str(folder / "model"), "--overwrite", "--json", "--memory-limit", "600MB"]
    command = [sys.executable, "-m", "streamkm", "fit", str(data), "-k", str(K), *rules, *outputs]
    began = time.perf_counter()
    subprocess.run([*command, *more], check=True, capture_output=True)
    return time.perf_counter() - began


def one_state(folder: Path) -> dict[str, float]:
    """Return bytes and seconds of the last state of a fit."""
    from streamkm.checkpoint import Generations, flatten, load_saved

    began = time.perf_counter()
    saved = load_saved(Generations(folder / "ckpt", "r"))
    read = time.perf_counter() - began
    assert saved is not None
    arrays: list = []
    began = time.perf_counter()
    tree = flatten(saved.state, arrays)
    Generations(folder / "again").save({"state": tree}, arrays)
    wrote = time.perf_counter() - began
    return {"bytes": sum(a.nbytes for a in arrays), "write": wrote, "read": read}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=150.0, help="of a fit")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=FOLDER) as top:
        folder = Path(top)
        data = stored_mixture(folder / "x", 2_000_000)
        steps = max(3, round(asked.seconds / (fit(data, folder, 10) / 11)))
        ratios = []
        for turn in range(asked.rounds):
            without = fit(data, folder, steps)
            held = fit(data, folder, steps, "--checkpoint", str(folder / f"ckpt-{turn}"))
            ratios.append(held / without)
            print(f"{steps} steps: {without:.1f} s, with checkpoints {held:.1f} s", flush=True)
        (folder / "ckpt-0").rename(folder / "ckpt")
        found = one_state(folder)
    facts = {"ratio": statistics.median(ratios), "ratios": ratios, "state": found}
    print(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
