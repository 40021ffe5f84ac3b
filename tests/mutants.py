"""Does a test fail when the code that guards money is wrong? `python -m tests.mutants` changes one thing at a time.

Every comparison is moved by one (`<` to `<=`) and turned round, `and` and `or`, `min` and `max`, `+` and `-` are
exchanged, `True` and `False` and numbers are changed, conditions never hold, `not` and calls are left out. Each is a
program of its own, in a copy of the packages; one that passes all its tests is printed: there, a test is missing, or
the code says more than it has to. `tests/mutants_equivalent.txt` has those that change nothing, each with its reason.
"""

from __future__ import annotations

import ast
import copy
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import hypothesis
import msgspec
import pydantic
import pytest
import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]
SOURCES = {"tradingbot": ROOT / "bot" / "src", "tradingbot_contract": ROOT / "contract" / "src"}
NOTES = Path(__file__).with_name("mutants_equivalent.txt")
PARTS = {
    "tradingbot/risk": "gate gate_edges latch confidence commands engine ticks",
    "tradingbot/core/stops.py": "engine cover cover_edges flatten commands resume",
    "tradingbot/core/cover.py": "cover cover_edges late_orders engine",
    "tradingbot/core/flatten.py": "flatten kill_outcome",
    "tradingbot/core/flattening.py": "flatten cover_edges cover engine",
    "tradingbot/core/jumps.py": "jumps",
    "tradingbot/runtime/resume.py": "resume_edges resume",
    "tradingbot/runtime/approval.py": "approval",
    "tradingbot/ledger": "ledger engine sim_exchange",
    "tradingbot_contract": "contract resume",
}
"""What is changed when nothing is named, and the tests that have to notice it, the nearest first."""
LOADED = (hypothesis, msgspec, pydantic, structlog)
"""Imported once, so that the process of a change, which begins as a copy of this one, need not."""
TEST_SECONDS = 300
"""A change may make an endless loop: a test that takes so long has noticed it."""
MOVED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
         ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In}  # fmt: skip
TURNED = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}
NAMES = {"min": "max", "max": "min", "add": "sub", "sub": "add", "price_down": "price_up", "price_up": "price_down"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Mutant(NamedTuple):
    """One change."""

    path: Path
    line: int
    what: str
    said: str
    """The line as it is without the change."""
    text: str

    def name(self) -> str:
        """Say where and what, so that it is found again when lines have moved."""
        return f"{self.path}: {self.what}: {self.said}"


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
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "not is left out", _set("operand", ast.UnaryOp(ast.Not(), copy.deepcopy(node.operand)))
    elif isinstance(node, ast.If):
        yield "the condition is always false", _set("test", ast.Constant(value=False))
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.Await) and not _tells(node):
        yield "the call is left out", _set("value", ast.Constant(value=None))
    else:
        yield from _words(node)


def _words(node: ast.AST) -> Iterator[tuple[str, Callable[[ast.AST], None]]]:
    if isinstance(node, ast.Name) and node.id in NAMES:
        yield f"{node.id} becomes {NAMES[node.id]}", _set("id", NAMES[node.id])
    elif isinstance(node, ast.Attribute) and node.attr in NAMES:
        yield f"{node.attr} becomes {NAMES[node.attr]}", _set("attr", NAMES[node.attr])
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield f"{node.value} becomes {not node.value}", _set("value", not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield f"{node.value} becomes {node.value + 1}", _set("value", node.value + 1)


def _tells(node: ast.Expr) -> bool:
    """Tell whether a call only writes a line into the log."""
    return ast.unparse(node).startswith("_log.")


def _operator(place: int, kind: type[ast.cmpop]) -> Callable[[ast.AST], None]:
    def change(node: ast.AST) -> None:
        assert isinstance(node, ast.Compare)
        node.ops[place] = kind()

    return change


def _set(name: str, value: object) -> Callable[[ast.AST], None]:
    return lambda node: setattr(node, name, value)


def mutants(root: Path, path: Path) -> Iterator[Mutant]:
    """Make every change of a file; type hints, imports and default values of fields stay as they are."""
    text = (root / path).read_text()
    tree, lines = ast.parse(text), text.splitlines()
    bodies = [node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)]
    for number, body in enumerate(bodies):
        for place, node in enumerate(ast.walk(body)):
            for what, change in _changes(node):
                mutated = copy.deepcopy(tree)
                function = [found for found in ast.walk(mutated) if isinstance(found, FUNCTIONS)][number]
                change(list(ast.walk(function))[place])
                line = getattr(node, "lineno", 1)
                source = ast.unparse(ast.fix_missing_locations(mutated))
                yield Mutant(path, line, what, lines[line - 1].strip(), source)


def survives(mutant: Mutant, folder: Path, files: list[str]) -> bool:
    """Tell whether all tests pass with a change."""
    target = folder / mutant.path
    before = target.read_text()
    target.write_text(mutant.text)
    try:
        return passes(folder, files)
    finally:
        target.write_text(before)


def passes(folder: Path, files: list[str]) -> bool:
    """Tell whether all tests pass on a copy of the packages, in a process of their own."""
    child = os.fork()
    if not child:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        sys.path.insert(0, str(folder))
        sys.dont_write_bytecode = True
        options = ["-q", "-x", "-p", "no:randomly", "-p", "no:cacheprovider", f"--timeout={TEST_SECONDS}"]
        options += ["-W", "ignore::pytest.PytestAssertRewriteWarning", "-p", "no:schemathesis"]
        code = 1
        try:
            code = int(pytest.main([*options, "--timeout-method=thread", *files]))
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def tests(part: str) -> list[str]:
    """Return the files of tests that have to notice a change in a part."""
    found = []
    for name in PARTS[part].split():
        folder = ROOT / "tests" / "unit" / name
        found.append(folder if folder.is_dir() else ROOT / "tests" / "unit" / "bot" / f"test_{name}.py")
    return [str(path) for path in found]


def equivalent() -> set[str]:
    """Return the names of the changes that change nothing."""
    if not NOTES.exists():
        return set()
    lines = [line for line in NOTES.read_text().splitlines() if line and line[0] not in "# "]
    return set(lines)


def attempt(part: str, folder: Path, known: set[str]) -> tuple[int, int]:
    """Try every change of a part; print those that nothing notices; return how many were tried and are left."""
    package = part.split("/", maxsplit=1)[0]
    root = SOURCES[package]
    paths = sorted((root / part).rglob("*.py")) if (root / part).is_dir() else [root / part]
    files = tests(part)
    if not passes(folder, files):
        raise SystemExit(f"{part}: the tests fail without any change, so nothing can be said")
    tried, left = 0, 0
    for path in paths:
        for mutant in mutants(root, path.relative_to(root)):
            if mutant.name() in known:
                continue
            tried += 1
            if survives(mutant, folder, files):
                left += 1
                print(f"{mutant.line:4} {mutant.name()}", flush=True)
    return tried, left


def main(names: list[str]) -> int:
    """Try every change of the named parts, of all when none is named."""
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise SystemExit(f"{', '.join(unknown)}: not one of {', '.join(PARTS)}")
    tried, left, known = 0, 0, equivalent()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for package, source in SOURCES.items():
            shutil.copytree(source / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
        for part in names or PARTS:
            done, alive = attempt(part, folder, known)
            tried, left = tried + done, left + alive
            print(f"{part}: {done - alive} of {done} changes fail a test", flush=True)
    print(f"{tried - left} of {tried} changes fail a test")
    return 0 if not left else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
