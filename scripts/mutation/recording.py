"""A plugin of pytest that records which test reaches which line, and how long each test takes.

It works in a run of `coverage run`; ``MUTANTS_TESTS`` names the JSON file of the times.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import coverage
import pytest

_seconds: dict[str, float] = {}  # of the processor
_failed: set[str] = set()
_STARTS_PROCESSES = {"cluster", "processes"}  # fixtures, whose time is that of the first test only
_heavy: list[str] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("MUTANTS_LIGHT"):
        items[:] = [item for item in items if not _starts_processes(item)]


def _starts_processes(item: pytest.Item) -> bool:
    return bool(_STARTS_PROCESSES & set(getattr(item, "fixturenames", ())))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Any:
    measured = coverage.Coverage.current()
    assert measured is not None
    if _starts_processes(item):
        _heavy.append(item.nodeid)
    measured.switch_context(item.nodeid)
    began = sum(os.times()[:4])
    answer = yield
    _seconds[item.nodeid] = sum(os.times()[:4]) - began
    measured.switch_context("")
    return answer


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if not report.passed:
        _failed.add(report.nodeid)


def pytest_sessionfinish() -> None:
    times = {test: s for test, s in _seconds.items() if test not in _failed}
    found = {"seconds": times, "failed": sorted(_failed), "heavy": _heavy}
    Path(os.environ["MUTANTS_TESTS"]).write_text(json.dumps(found))
