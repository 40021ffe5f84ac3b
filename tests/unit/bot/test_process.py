"""The process of a bot: its event loop, and what the collector of cycles looks at."""

from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import uvloop

from tradingbot.runtime import process

if TYPE_CHECKING:
    import pytest


async def test_what_a_start_makes_is_frozen_once_the_bot_has_come_up_and_not_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    health: Any = SimpleNamespace(settled=False)
    seen: list[str] = []
    monkeypatch.setattr(gc, "freeze", lambda: seen.append("frozen"))
    monkeypatch.setattr(gc, "set_threshold", lambda *_: None)

    async def sleep(_: float) -> None:
        seen.append("looked")
        health.settled = len(seen) == 3

    clock: Any = SimpleNamespace(sleep=sleep)
    await process.freeze_when_settled(health, clock)
    assert seen == ["looked", "looked", "looked", "frozen"]


def test_a_bot_runs_on_uvloop_and_returns_what_it_returns() -> None:
    async def body() -> int:
        assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
        return 7

    assert process.run(body()) == 7
