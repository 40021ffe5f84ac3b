"""Does a test fail when the risk module is wrong? `python -m tests.mutants` changes one thing at a time and sees.

Every comparison is moved by one (`<` to `<=`) and turned round, `and` and `or`, `min` and `max`, `+` and `-` are
exchanged, `True` and `False` and numbers are changed, conditions never hold. Each of these is a program of its own, in
a copy of the package; one that passes all tests below is printed: there, a test is missing, or the code says more than
it has to.
"""

from __future__ import annotations

import ast
import copy
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "bot" / "src" / "tradingbot"
TESTS = ["gate", "risk", "latch", "commands", "resume", "engine", "ticks"]
MOVED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
         ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In}  # fmt: skip
TURNED = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}
NAMES = {"min": "max", "max": "min", "add": "sub", "price_down": "price_up", "price_up": "price_down"}


class Mutant(NamedTuple):
    """One change."""

    path: Path
    line: int
    what: str
    text: str


def _changes(node: ast.AST) -> Iterator[tuple[str, Callable[[ast.AST], None]]]:
    if isinstance(node, ast.Compare):
        for place, kind in enumerate(node.ops):
            for table in (MOVED, TURNED):
                other = table.get(type(kind))
                if other is not None:
                    yield f"{type(kind).__name__} becomes {other.__name__}", _operator(place, other)
    elif isinstance(node, ast.BoolOp):
        other_op = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield f"{type(node.op).__name__} becomes {other_op.__name__}", _set("op", other_op())
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        exchanged = ast.Sub if isinstance(node.op, ast.Add) else ast.Add
        yield f"{type(node.op).__name__} becomes {exchanged.__name__}", _set("op", exchanged())
    elif isinstance(node, ast.Name) and node.id in NAMES:
        yield f"{node.id} becomes {NAMES[node.id]}", _set("id", NAMES[node.id])
    elif isinstance(node, ast.Attribute) and node.attr in NAMES:
        yield f"{node.attr} becomes {NAMES[node.attr]}", _set("attr", NAMES[node.attr])
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield f"{node.value} becomes {not node.value}", _set("value", not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield f"{node.value} becomes {node.value + 1}", _set("value", node.value + 1)
    elif isinstance(node, ast.If):
        yield "the condition is always false", _set("test", ast.Constant(value=False))


def _operator(place: int, kind: type[ast.cmpop]) -> Callable[[ast.AST], None]:
    def change(node: ast.AST) -> None:
        assert isinstance(node, ast.Compare)
        node.ops[place] = kind()

    return change


def _set(name: str, value: object) -> Callable[[ast.AST], None]:
    return lambda node: setattr(node, name, value)


def mutants(path: Path) -> Iterator[Mutant]:
    """Make every change of a file; type hints, imports and default values of fields stay as they are."""
    tree = ast.parse(path.read_text())
    bodies = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for number, body in enumerate(bodies):
        for place, node in enumerate(ast.walk(body)):
            for what, change in _changes(node):
                mutated = copy.deepcopy(tree)
                function = [found for found in ast.walk(mutated) if isinstance(found, ast.FunctionDef)][number]
                change(list(ast.walk(function))[place])
                yield Mutant(path, getattr(node, "lineno", 0), what, ast.unparse(ast.fix_missing_locations(mutated)))


def survives(mutant: Mutant, package: Path) -> bool:
    """Tell whether all tests pass with a change."""
    target = package / mutant.path.relative_to(SOURCE)
    before = target.read_text()
    target.write_text(mutant.text)
    try:
        return passes(package)
    finally:
        target.write_text(before)


def passes(package: Path) -> bool:
    """Tell whether all tests pass on a copy of the package."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:randomly", "-p", "no:cacheprovider"]
    files = [str(path) for name in TESTS if (path := ROOT / f"tests/unit/bot/test_{name}.py").exists()]
    environment = {**os.environ, "PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([*command, *files], cwd=ROOT, env=environment, capture_output=True, check=False)
    return done.returncode == 0


def main(names: list[str]) -> int:
    """Try every change of the named files below the package, of risk/ when none is named."""
    paths = [SOURCE / name for name in names] or sorted((SOURCE / "risk").rglob("*.py"))
    tried, left = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "tradingbot"
        shutil.copytree(SOURCE, package, ignore=shutil.ignore_patterns("__pycache__"))
        if not passes(package):
            raise SystemExit("the tests fail without any change: nothing can be said")
        for path in paths:
            for mutant in mutants(path):
                tried += 1
                if survives(mutant, package):
                    left += 1
                    print(f"{path.relative_to(SOURCE)}:{mutant.line}: {mutant.what}", flush=True)
    print(f"{tried - left} of {tried} changes fail a test")
    return 0 if not left else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
