"""docs/bad-input.md names tests that exist, and every test of what a live position must outlive is in it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs" / "bad-input.md").read_text(encoding="utf-8")
LIVE = "tests/component/bot/live/test_bad_input.py"


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(live|tests/[\w/]+\.py)(?:::(\w+))?`", DOCUMENT)
    assert len(named) > 20
    for path, function in named:
        text = (ROOT / (LIVE if path == "live" else path)).read_text(encoding="utf-8")
        assert f"def {function or 'test_'}" in text, (path, function)


def test_every_test_with_a_position_is_named() -> None:
    tests = set(re.findall(r"^async def (test_\w+)", (ROOT / LIVE).read_text(encoding="utf-8"), re.MULTILINE))
    assert tests == set(re.findall(r"`live::(\w+)`", DOCUMENT))
