"""The speed of streamkm, compared with its peers and with the rates of the machine.

    scripts/bench speed [--quick] [--parts roofline,iterations,real,scaling,end-to-end,graphs]
                        [--rounds 4] [--minutes 25]

The results are written to docs/benchmarks/speed.json after every part, and then to a table and a
figure, speed.md and speed.png. With --quick (minutes) the names are speed-quick.*. After --minutes,
no other shape or part begins.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import end_to_end
import graphs
import iterations
import report
import roofline
import scaling
from processes import CORES, hold_cores

FOLDER = Path(__file__).parents[2] / "docs" / "benchmarks"
PARTS: dict[str, Callable[[bool, int], Any]] = {  # of --quick and the number of rounds
    "roofline": lambda quick, _: roofline.run(quick),
    "iterations": iterations.run,
    "real": iterations.run_real,
    "scaling": lambda quick, _: scaling.run(quick),
    "end-to-end": lambda quick, _: end_to_end.run(quick),
    "graphs": lambda quick, _: graphs.run(quick),
}
LIBRARIES = ("streamkm", "scikit-learn", "scikit-learn-intelex", "faiss-cpu", "dask-ml", "numba")


def this_machine(quick: bool) -> dict[str, Any]:
    processor = next(
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    return {
        "processor": processor,
        "cores": f"{CORES} of {os.cpu_count()}",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in LIBRARIES},
        "date": datetime.date.today().isoformat(),
        "quick": quick,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--parts", default=",".join(PARTS), help="parts to run; the results of the others are kept"
    )
    parser.add_argument("--rounds", type=int, help="of iterations and real; 4, or 3 with --quick")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    asked = parser.parse_args()
    rounds = asked.rounds or (3 if asked.quick else 4)
    end = time.perf_counter() + 60 * asked.minutes
    hold_cores()
    warnings.simplefilter("ignore")
    stem = FOLDER / ("speed-quick" if asked.quick else "speed")
    saved = stem.with_suffix(".json")
    results = json.loads(saved.read_text()) if saved.exists() else {}
    took = results.get("machine", {}).get("seconds", {})
    results["machine"] = this_machine(asked.quick) | {"seconds": took}
    FOLDER.mkdir(exist_ok=True)
    for part in asked.parts.split(","):
        if time.perf_counter() > end:
            print(f"no time is left for {part}", flush=True)
            continue
        took.pop(part, None)
        began = time.perf_counter()
        made = PARTS[part](asked.quick, rounds)
        results[part] = made if isinstance(made, dict) else []
        for row in () if isinstance(made, dict) else made:
            results[part].append(row)
            print(part, json.dumps(row), flush=True)
            saved.write_text(json.dumps(results, indent=1))  # save after every part of a long run
            if time.perf_counter() > end:
                print(f"no time is left for the rest of {part}", flush=True)
                break
        took[part] = time.perf_counter() - began
        saved.write_text(json.dumps(results, indent=1))
    stem.with_suffix(".md").write_text(report.page(results, stem.name))
    from picture import picture  # not at the top, because every process imports this file again

    picture(results, stem.with_suffix(".png"))
    print(stem.with_suffix(".md").read_text())


if __name__ == "__main__":
    main()
