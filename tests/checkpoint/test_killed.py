"""A run that was killed at any time and resumed has the bits of an undisturbed run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
OPTIONS = ["--events", "20", "--moments", "0", "--rows", "1600"]


def test_killed_at_twenty_events_in_all_phases(tmp_path):
    """Run in a separate process, which forks before any thread starts."""
    said = subprocess.run(
        [sys.executable, "-m", "tests.soak", str(tmp_path), *OPTIONS],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=600,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    lines = [line.split() for line in said.stdout.splitlines() if line.startswith("killed")]
    phases = Counter(words[1] for words in lines)
    assert sum(phases.values()) == 20
    assert set(phases) == {"start", "seeding", "iterations", "signal", "labelling", "outputs"}
    assert max(int(words[-1]) for words in lines) <= 1  # lost waves
