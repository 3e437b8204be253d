"""Which tests reach the statement of a mutant, by one run of all tests of the package."""

from __future__ import annotations

import ast
import json
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

from coverage import CoverageData

_MOST = 20.0  # seconds of tests for one mutant


class Reached:
    """What the tests of a package reached, and their times, from the files of that run."""

    def __init__(self, tree: Path, data: list[Path], times: list[Path]) -> None:
        self.tree = tree
        self.seconds: dict[str, float] = {}
        self._heavy: set[str] = set()
        for found in (json.loads(file.read_text()) for file in times):
            self.seconds |= found["seconds"]
            self._heavy |= set(found["heavy"])
        self._data = [CoverageData(str(file)) for file in data]
        for each in self._data:
            each.read()

    @cache  # noqa: B019 - one object for a process
    def _contexts(self, path: str) -> dict[int, set[str]]:
        contexts: dict[int, set[str]] = defaultdict(set)
        for data in self._data:
            for line, found in data.contexts_by_lineno(str(self.tree / path)).items():
                contexts[line] |= set(found)
        return contexts

    def tests(self, path: str, line: int, heavy: bool = False) -> list[str]:
        """Return the tests that reach a line: one of each function first, the fastest first.

        For a line that is executed by the import, these are the tests that reach the file.
        `heavy` selects the tests that start processes, otherwise the others.
        """
        contexts = self._contexts(path)
        first, last = statement(ast.parse((self.tree / path).read_text()), line)
        found = {t for n in range(first, last + 1) for t in contexts.get(n, ())}
        if "" in found:
            found |= {test for each in contexts.values() for test in each}
        found &= set(self.seconds)
        found = found & self._heavy if heavy else found - self._heavy
        functions: Counter[str] = Counter()
        order = []
        for test in sorted(found, key=lambda t: (self.seconds[t], t)):
            function = test.split("[")[0]
            order.append((functions[function], self.seconds[test], test))
            functions[function] += 1
        chosen, total = [], 0.0
        for _, seconds, test in sorted(order):
            total += seconds
            if total > _MOST and chosen:
                break
            chosen.append(test)
        return chosen


def statement(tree: ast.Module, line: int) -> tuple[int, int]:
    """Return the first and last line of the statement, or of the head of a compound one."""
    best = (line, line)
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno):
            last = node.end_lineno or node.lineno
            body = getattr(node, "body", None)
            if body:
                last = max(node.lineno, body[0].lineno - 1)
            if line <= last:
                best = (node.lineno, last)
    return best
