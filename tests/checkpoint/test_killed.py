"""A run that was killed at any time and resumed has the bits of an undisturbed run."""

from __future__ import annotations

from collections import Counter

from tests.conftest import run_module

OPTIONS = ["--events", "12", "--moments", "0", "--rows", "1600"]


def test_killed_at_two_events_of_each_phase(tmp_path):
    said = run_module("tests.soak", tmp_path, *OPTIONS)
    lines = [line.split() for line in said.stdout.splitlines() if line.startswith("killed")]
    phases = Counter(words[1] for words in lines)
    assert sum(phases.values()) == 12
    assert set(phases) == {"start", "seeding", "iterations", "signal", "labelling", "outputs"}
    assert max(int(words[-1]) for words in lines) <= 1  # lost waves
