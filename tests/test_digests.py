"""Fits, sweeps, labels and archives have the frozen bits."""

from __future__ import annotations

import json
from pathlib import Path

from tests.digests import cases

FROZEN = json.loads(Path(__file__).with_name("digests.json").read_text())


def test_results_are_those_that_were_frozen(tmp_path):
    found = {name: make() for name, make in cases(tmp_path)}
    assert found == FROZEN, "if this is intended: python -m tests.digests > tests/digests.json"
