"""Kill runs at their events and at random moments; every run must end with the same bits.

    scripts/soak [FOLDER] [--events N] [--moments N] [--rows N]

The defaults are all events, 200 moments and 6,000 rows.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from tests import killing


def rows(n):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(9, 6)) * 3
    return (centres[rng.integers(9, size=n)] + rng.normal(size=(n, 6))).astype("f4")


def spread(names, count):
    """Select event numbers of each phase, as evenly as possible."""
    phases: dict[str, list[int]] = {}
    for number, name in enumerate(names, 1):
        phases.setdefault(name.split()[0], []).append(number)
    if count is None or count >= len(names):
        return list(range(1, len(names) + 1))
    shares = [count // len(phases) + (at < count % len(phases)) for at in range(len(phases))]
    chosen = []
    for numbers, share in zip(phases.values(), shares, strict=True):
        places = np.linspace(0, len(numbers) - 1, share).round().astype(int)
        if share == 1:
            places = [len(numbers) // 2]
        chosen += [numbers[at] for at in places]
    return chosen


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--events", type=int)
    parser.add_argument("--moments", type=int, default=200)
    parser.add_argument("--rows", type=int, default=6_000)
    asked = parser.parse_args()
    top = asked.folder or Path(tempfile.mkdtemp(prefix="soak-"))
    x = rows(asked.rows)
    killing.load_kernels(x)
    whole = top / "whole"
    killing.make(whole, x, 100)
    began = time.monotonic()
    if killing.run(whole, killing.command(whole)) != 0:
        sys.exit((whole / "said").read_text())
    took = time.monotonic() - began
    wanted, names = killing.bits(whole)[0], killing.events_of(whole)
    print(f"{len(names)} events in {took:.1f} s")
    random.seed(0)
    moments = [random.uniform(0, took) for _ in range(asked.moments)]
    cases = [(number, None) for number in spread(names, asked.events)] + [
        (None, m) for m in moments
    ]
    hits: Counter[str] = Counter()
    for case, (number, moment) in enumerate(cases):
        folder = top / f"case-{case}"
        killing.make(folder, x, 100)
        arguments = killing.command(folder)
        status = killing.run(folder, arguments, number, moment)
        seen = killing.events_of(folder)
        if number and not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            sys.exit(f"event {number} was never reached: {(folder / 'said').read_text()}")
        what = seen[-1] if seen else "before anything"
        work = killing.lost(folder)
        hits[what.split()[0]] += 1
        print(f"killed {what} lost {work}", flush=True)
        if work > 1:
            sys.exit(f"{work} waves were lost, although every wave is saved")
        if killing.run(folder, arguments) != 0:
            sys.exit(f"the resumed run failed: {(folder / 'said').read_text()}")
        found, left = killing.bits(folder)
        if found != wanted or [name for name in left if not name.endswith(".lock")] != [
            "ckpt",
            "events",
            "labels",
            "model",
            "said",
            "signalled",
            "x",
        ]:
            sys.exit(f"the bits differ, or files are left: {left}")
        shutil.rmtree(folder)
    print(f"{len(cases)} kills, the same bits after each;", dict(hits))


if __name__ == "__main__":
    main()
