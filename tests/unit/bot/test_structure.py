"""Promises about the source itself: sizes, who may make what, what an import costs."""

from __future__ import annotations

import ast
import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tradingbot

ROOT = Path(tradingbot.__file__).resolve().parent
FILES = sorted(ROOT.rglob("*.py"))
LONGEST_FILE, LONGEST_FUNCTION = 400, 60


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) < LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < LONGEST_FUNCTION, node.name


def test_only_the_gate_makes_what_may_be_sent() -> None:
    makers = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Approved":
                makers.add(str(path.relative_to(ROOT)))
    assert makers == {"risk/gate.py"}


def imported_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_the_engine_is_cheap_to_import() -> None:
    found = imported_by("import tradingbot.core.engine")
    assert found.isdisjoint({"asyncio", "aiohttp", "asyncpg", "pydantic", "structlog", "pyarrow", "ccxt", "logging"})


def test_a_simulated_bot_carries_neither_pyarrow_nor_ccxt_nor_numpy() -> None:
    found = imported_by("import tradingbot.wiring, tradingbot.cli.run")
    assert found.isdisjoint({"pyarrow", "ccxt", "numpy", "pandas"})


def test_the_command_line_starts_without_anything_heavy() -> None:
    found = imported_by("import tradingbot.cli.main")
    assert found.isdisjoint({"aiohttp", "asyncpg", "pydantic", "pyarrow", "ccxt"})


def test_the_version_is_the_one_of_the_package() -> None:
    project = (ROOT.parent.parent / "pyproject.toml").read_text()
    assert f'version = "{tradingbot.__version__}"' in project


def test_what_is_vendored_is_what_was_downloaded() -> None:
    folder = ROOT / "web" / "static" / "vendor"
    lines = [line.split() for line in (folder / "SHA256SUMS").read_text().splitlines()]
    listed = {name: digest for digest, name in lines}
    assert set(listed) == {path.name for path in folder.iterdir()} - {"SHA256SUMS", "README.md"}
    for name, digest in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


def test_the_page_asks_nobody_but_its_own_server() -> None:
    for path in (ROOT / "web" / "static").glob("*.*"):
        text = path.read_text()
        found = re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text)
        assert [url for url in found if "www.w3.org" not in url] == [], path.name
        if path.suffix == ".html":
            assert re.findall(r"<script(?![^>]*src=)|style=|\son[a-z]+=", text) == []
