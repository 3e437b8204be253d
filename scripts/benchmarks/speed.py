"""The speed of streamkm, compared with its peers and with the rates of the machine.

    scripts/bench speed [--quick] [--parts roofline,iterations,real,scaling,end-to-end,graphs]

The results are written to docs/benchmarks/speed.json after every part, and then to a table and a
figure, speed.md and speed.png. With --quick (minutes) the names are speed-quick.*.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import time
import warnings
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
PARTS = {
    "roofline": roofline.run,
    "iterations": iterations.run,
    "real": iterations.run_real,
    "scaling": scaling.run,
    "end-to-end": end_to_end.run,
    "graphs": graphs.run,
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
    asked = parser.parse_args()
    hold_cores()
    warnings.simplefilter("ignore")
    stem = FOLDER / ("speed-quick" if asked.quick else "speed")
    saved = stem.with_suffix(".json")
    results = json.loads(saved.read_text()) if saved.exists() else {}
    took = results.get("machine", {}).get("seconds", {})
    results["machine"] = this_machine(asked.quick) | {"seconds": took}
    FOLDER.mkdir(exist_ok=True)
    for part in asked.parts.split(","):
        took.pop(part, None)
        began = time.perf_counter()
        made = PARTS[part](asked.quick)
        results[part] = made if isinstance(made, dict) else []
        for row in () if isinstance(made, dict) else made:
            results[part].append(row)
            print(part, json.dumps(row), flush=True)
            saved.write_text(json.dumps(results, indent=1))  # save after every part of a long run
        took[part] = time.perf_counter() - began
        saved.write_text(json.dumps(results, indent=1))
    stem.with_suffix(".md").write_text(report.page(results, stem.name))
    from picture import picture  # not at the top, because every process imports this file again

    picture(results, stem.with_suffix(".png"))
    print(stem.with_suffix(".md").read_text())


if __name__ == "__main__":
    main()
