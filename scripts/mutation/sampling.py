"""The mutants of a package: single changes of operators, keywords and numbers, by cosmic-ray."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

_BINARY = """
    Add_Sub Sub_Add Mul_Div Div_Mul FloorDiv_Mul Mod_FloorDiv Pow_Mul RShift_LShift LShift_RShift
    BitOr_BitAnd BitAnd_BitOr BitXor_BitAnd
"""
_COMPARED = """
    Eq_NotEq NotEq_Eq Lt_LtE Lt_Gt LtE_Lt LtE_GtE Gt_GtE Gt_Lt GtE_Gt GtE_LtE Is_IsNot IsNot_Is
"""
_UNARY = "Delete_USub Delete_Not Delete_Invert"
_OTHERS = """
    AddNot ReplaceTrueWithFalse ReplaceFalseWithTrue ReplaceAndWithOr ReplaceOrWithAnd
    ReplaceBreakWithContinue ReplaceContinueWithBreak ExceptionReplacer NumberReplacer
    RemoveDecorator ZeroIterationForLoop
"""
OPERATORS = [
    *(f"core/ReplaceBinaryOperator_{each}" for each in _BINARY.split()),
    *(f"core/ReplaceComparisonOperator_{each}" for each in _COMPARED.split()),
    *(f"core/ReplaceUnaryOperator_{each}" for each in _UNARY.split()),
    *(f"core/{each}" for each in _OTHERS.split()),
]


@dataclass(frozen=True)
class Mutant:
    """A changed file: its path in the tree, its new text, and the line before and after."""

    path: str
    line: int
    before: str
    after: str
    text: str


def mutants(tree: Path, files: list[Path], size: int, seed: int) -> Iterator[Mutant]:
    """Yield a random sample of the mutants of some files."""
    places = [(file, *place) for file in files for place in _places(file.read_text())]
    print(f"{len(places)} mutants", flush=True)
    chosen = random.Random(seed).sample(places, min(size, len(places)))
    for file, line, operator, occurrence in chosen:
        text = file.read_text()
        try:
            changed = mutate_code(text, get_operator(operator)(), occurrence)
        except AttributeError:  # cosmic-ray cannot replace an exception with a dotted name
            continue
        yield Mutant(str(file.relative_to(tree)), line, *_difference(text, changed), changed)


def _places(text: str) -> Iterator[tuple[int, str, int]]:
    """Yield the line, the operator, and its occurrence in the file, of each mutant."""
    nodes, ignored = list(ast_nodes(get_ast(text))), _ignored(text)
    for name in OPERATORS:
        operator = get_operator(name)()
        found = (place for node in nodes for place in operator.mutation_positions(node))
        for occurrence, (start, _) in enumerate(found):
            if not any(first <= start <= last for first, last in ignored):
                yield start[0], name, occurrence


def _difference(text: str, changed: str) -> tuple[str, str]:
    pairs = list(zip(text.split("\n"), changed.split("\n"), strict=False))
    for before, after in pairs:
        if before != after:
            return before.strip(), after.strip()
    return "", ""


Range = tuple[tuple[int, int], tuple[int, int]]


def _ignored(text: str) -> list[Range]:
    """Return where a change has no effect on a right program.

    These are annotations, decorators that compile, cache or make dataclasses, assertions, and
    ``zip(strict=True)``.
    """
    found: list[ast.expr | ast.stmt | ast.keyword | None] = []
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.arg() | ast.AnnAssign():
                found.append(node.annotation)
            case ast.FunctionDef():
                found += [node.returns, *filter(_keeps_values, node.decorator_list)]
            case ast.ClassDef():
                found += node.decorator_list
            case ast.Call(func=ast.Name(id="zip" | "cast" | "TypeVar")):
                found += node.keywords
            case ast.Assert() | ast.If(test=ast.Name(id="TYPE_CHECKING")):
                found.append(node)
    # Removing a decorator starts at its "@".
    return [
        ((n.lineno, n.col_offset - 1), (n.end_lineno or 0, n.end_col_offset or 0))
        for n in found
        if n is not None
    ]


def _keeps_values(decorator: ast.expr) -> bool:
    """Return whether a function without this decorator has the same values."""
    name = ast.unparse(decorator).split("(")[0]
    return name in {"kernel", "ordered_kernel", "intrinsic", "abstractmethod", "cache", "lru_cache"}
