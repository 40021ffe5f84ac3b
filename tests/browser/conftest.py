"""A browser, and the bot behind its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.component.bot.conftest import bots, database, own, server
from tests.support import browser

from tradingbot.config.model import Settings
from tradingbot.observe import health
from tradingbot.observe.metrics import Metrics
from tradingbot.runtime.clock import WallClock
from tradingbot.runtime.control import Control

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECRET = "the-key-of-this-page"

__all__ = ["SECRET", "bots", "database", "own", "page", "server"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser" in str(item.path):
            item.add_marker(pytest.mark.browser)


@pytest.fixture
async def page() -> AsyncIterator[browser.Page]:
    """Give a page; whatever it complains of fails the test, unless the test expects it."""
    async with browser.page() as opened:
        await opened.size(1280, 1240)
        yield opened


@pytest.fixture
def quiet_bot() -> tuple[Settings, Control, Metrics]:
    """Give what a page is made of, without anything that trades."""
    settings = Settings.model_validate({"strategy": {"name": "breakout"}, "http": {"api_key": SECRET}})
    clock = WallClock()
    store: Any = None
    metrics = Metrics("breakout", "Spot", "binance")
    return settings, Control(store, clock, health.new(clock), metrics), metrics
