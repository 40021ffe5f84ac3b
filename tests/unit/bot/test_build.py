"""The fingerprint of the code: the same for the same code, another one for any other."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from tradingbot.observe import build

if TYPE_CHECKING:
    from pathlib import Path

INSTALLED = {"ccxt==4.5.1", "aiohttp==3.12.0"}
PYTHON = "3.11.2"


def code(folder: Path) -> Path:
    (folder / "bot" / "core").mkdir(parents=True)
    (folder / "bot" / "core" / "engine.py").write_text("LIMIT = 1\n")
    (folder / "bot" / "__init__.py").write_text("")
    return folder / "bot"


def of(folder: Path, installed: set[str] = INSTALLED, python: str = PYTHON) -> str:
    return build.of([folder], installed, python)


def test_the_same_code_elsewhere_is_the_same_build(tmp_path: Path) -> None:
    first = code(tmp_path / "a")
    second = tmp_path / "b" / "bot"
    shutil.copytree(first, second)
    (second / "core" / "engine.cpython-311.pyc").write_bytes(b"compiled here")
    assert of(first) == of(second)


def test_any_other_code_is_another_build(tmp_path: Path) -> None:
    folder = code(tmp_path)
    found = {of(folder)}
    found.add(of(folder, INSTALLED | {"another==1"}))
    found.add(of(folder, {"ccxt==4.5.2", "aiohttp==3.12.0"}))
    found.add(of(folder, python="3.11.3"))
    (folder / "core" / "engine.py").write_text("LIMIT = 2\n")
    found.add(of(folder))
    (folder / "core" / "engine.py").rename(folder / "core" / "motor.py")
    found.add(of(folder))
    (folder / "core" / "data.bin").write_bytes(b"\x00")
    found.add(of(folder))
    assert len(found) == 7


@given(st.permutations(sorted(INSTALLED)))
def test_in_which_order_things_were_installed_does_not_matter(order: list[str]) -> None:
    assert build.of([], order, PYTHON) == build.of([], INSTALLED, PYTHON)


def test_this_build_has_one() -> None:
    assert build.fingerprint() == build.fingerprint()
    assert len(build.fingerprint()) == 32
