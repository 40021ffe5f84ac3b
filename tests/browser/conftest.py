"""A browser, and the bot behind its page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.component.bot.conftest import bots, database, server
from tests.support import browser

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["bots", "database", "page", "server"]


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
