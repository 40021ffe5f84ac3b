"""docs/strategies.md says what the code does. `python -m tests.unit.bot.test_backtest_docs` writes its tables anew."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import os
import re
import subprocess
import sys
import textwrap
import tomllib
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.bot.harness import Bot, candle

from tradingbot.strategy import registry
from tradingbot.strategy.params import check, permitted

if TYPE_CHECKING:
    from pydantic import BaseModel

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "strategies.md"
EXAMPLE = ROOT / "examples" / "strategies" / "rising-candles"
ON_TICKS = EXAMPLE.with_name("taker-flow")
BUILTIN = ("breakout", "mean-reversion", "momentum", "moving-average-cross")
PLAIN = {
    "atr_period": "Candles of the average true range.",
    "allow_short": "Sell short too; a spot market refuses it.",
    "fast": "Candles of the fast average; less than `slow`.",
    "slow": "Candles of the slow average.",
}


def _described(model: type[BaseModel]) -> dict[str, str]:
    """Return the texts below the fields of a model."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(tree, ast.ClassDef)
    found: dict[str, str] = {}
    for before, node in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and isinstance(node, ast.Expr):
            assert isinstance(node.value, ast.Constant)
            found[before.target.id] = str(node.value.value)
    return found


def table(cls: Any) -> str:
    """Return the table of a strategy's parameters."""
    texts = _described(cls.Params)
    lines = ["| parameter | default | permitted | meaning |", "| --- | --- | --- | --- |"]
    for name, field in cls.Params.model_fields.items():
        meaning = texts.get(name) or PLAIN[name]
        may = permitted(field)
        if isinstance(field.default, Enum):
            may = ", ".join(f"`{value}`" for value in may.split(", "))
        lines.append(f"| `{name}` | {str(field.default).lower()} | {may} | {meaning} |")
    return "\n".join(lines) + "\n"


def _strategy(name: str) -> Any:
    (found,) = [entry.cls for entry in registry.installed() if entry.name == name]
    return found


def _section(name: str) -> tuple[str, str]:
    return f"<!-- parameters of {name} -->\n", f"<!-- end of {name} -->"


@pytest.mark.parametrize("name", BUILTIN)
def test_the_table_of_a_strategy_is_the_one_of_its_code(name: str) -> None:
    begin, end = _section(name)
    text = PAGE.read_text(encoding="utf-8")
    assert begin in text
    assert text.split(begin)[1].split(end)[0] == table(_strategy(name))


def test_every_installed_strategy_of_the_bot_is_described() -> None:
    ours = {e.name for e in registry.installed() if e.source.startswith("tradingbot.")}
    assert ours == set(BUILTIN)


def test_the_page_shows_the_very_files_of_the_example() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert f"```python\n{(EXAMPLE / 'rising_candles.py').read_text(encoding='utf-8')}```" in text
    assert f"```python\n{(ON_TICKS / 'taker_flow.py').read_text(encoding='utf-8')}```" in text
    assert f"```toml\n{(EXAMPLE / 'pyproject.toml').read_text(encoding='utf-8')}```" in text


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """The examples as an installer leaves them: the module, and a dist-info folder with its entry points."""
    for example in (EXAMPLE, ON_TICKS):
        _install(example, tmp_path)
    return {**os.environ, "PYTHONPATH": str(tmp_path), "COLUMNS": "100"}


def _install(example: Path, target: Path) -> None:
    project = tomllib.loads((example / "pyproject.toml").read_text(encoding="utf-8"))
    name, version = project["project"]["name"], project["project"]["version"]
    folder = target / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    groups = project["project"]["entry-points"]
    lines = [
        line for group, found in groups.items() for line in (f"[{group}]", *(f"{k} = {v}" for k, v in found.items()))
    ]
    (folder / "entry_points.txt").write_text("\n".join(lines) + "\n")
    for module in project["tool"]["hatch"]["build"]["targets"]["wheel"]["include"]:
        (target / module).write_bytes((example / module).read_bytes())


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tradingbot.cli.main", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_example_is_found_by_its_name(installed: dict[str, str]) -> None:
    shown = run(installed, "strategies").stdout
    assert "rising-candles: Rising candles: buys after some" in shown
    rows = [line.split("│") for line in shown.splitlines() if "│" in line]
    assert ["count", "5", "≥ 1, ≤ 100"] in [[cell.strip() for cell in row] for row in rows]


@pytest.mark.parametrize("command", ["run", "backtest"])
def test_the_shell_completes_the_names_of_strategies(installed: dict[str, str], command: str) -> None:
    asked = installed | {
        "_MAIN_COMPLETE": "complete_bash",
        "_TYPER_COMPLETE_ARGS": f"main {command} --strategy ri",
        "COMP_WORDS": f"main {command} --strategy ri",
        "COMP_CWORD": "3",
    }
    code = "import sys; sys.argv = ['main']; from tradingbot.cli.main import app; app(prog_name='main')"
    done = subprocess.run([sys.executable, "-c", code], env=asked, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["rising-candles"]


def test_the_output_on_the_page_is_what_the_command_prints(installed: dict[str, str]) -> None:
    """The speed differs from machine to machine and goes to the other stream; everything else is the same."""
    text = PAGE.read_text(encoding="utf-8")
    for shown in re.findall(r"```console\n\$ tradingbot (backtest [^\n]*)\n(.*?)```", text, re.DOTALL):
        arguments, expected = shown[0].split(), shown[1]
        done = run(installed, *arguments)
        found = done.stdout or done.stderr
        assert "\n".join(line.rstrip() for line in found.strip().splitlines()) == expected.strip()
    assert text.count("```console\n$ tradingbot backtest") >= 2


def _example() -> Any:
    spec = importlib.util.spec_from_file_location("rising_candles", EXAMPLE / "rising_candles.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["rising_candles"] = module  # pydantic looks annotations up there
    spec.loader.exec_module(module)
    return module.RisingCandles


def test_the_example_decides_as_it_says() -> None:
    cls = _example()
    params = check(cls.Params, {"count": 2}, "rising-candles")
    rows = [(1000, 1001), (1001, 1003), (1003, 1004), (1004, 1002), (1002, 1001)]
    candles = [
        candle(minute, (opened, max(opened, close) + 1, min(opened, close) - 1, close))
        for minute, (opened, close) in enumerate(rows)
    ]
    bot = Bot(lambda: cls(params)).show(*candles)
    assert [(d.action, d.approved, d.reason) for d in bot.decisions] == [
        ("enter", True, "2 candles rose in a row"),
        ("exit", True, "a candle fell"),
    ]
    first = Bot(lambda: cls(params)).show(*candles[:1])
    second = Bot(lambda: cls(params), saved=first.save()).show(*candles[1:])
    assert second.decisions == bot.decisions


def rewrite() -> None:
    """Write tables and files of the example into the page."""
    text = PAGE.read_text(encoding="utf-8")
    for name in BUILTIN:
        begin, end = _section(name)
        head, rest = text.split(begin)
        text = head + begin + table(_strategy(name)) + end + rest.split(end)[1]
    for kind, file in (("python", "rising_candles.py"), ("toml", "pyproject.toml")):
        head, rest = text.split(f"```{kind}\n", 1)
        text = f"{head}```{kind}\n{(EXAMPLE / file).read_text(encoding='utf-8')}```" + rest.split("```", 1)[1]
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    rewrite()
