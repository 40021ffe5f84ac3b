"""Real pods on a real cluster: the demo's own path, then what could go wrong with it."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import pytest
import yaml
from tests.support.bots import NAMESPACE, Bot, Bots

from tradingbot_cluster.demo import demo, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tradingbot_cluster.demo.tools import Tools


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/e2e/" in item.path.as_posix():
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(1800))


@pytest.fixture(scope="session")
def tools() -> Iterator[Tools]:
    """`make demo`, exactly: what is missing is made, what runs is left alone.

    A cluster that ran before goes on running, and so does any with TRADINGBOT_KEEP=1, to look at what a test left.
    """
    ran = environment.cluster_runs()
    yield demo.up()
    if not ran and os.environ.get("TRADINGBOT_KEEP") != "1":
        demo.down()


@pytest.fixture
def bots(tools: Tools) -> Iterator[Bots]:
    """TradingBots of one test, deleted at its end."""
    made = Bots(tools)
    with contextlib.closing(made):
        yield made


@pytest.fixture(scope="session")
def example() -> dict[str, object]:
    """The TradingBot that the README tells people to apply."""
    path = demo.ROOT / "examples" / "tradingbot.yaml"
    found = [doc for doc in yaml.safe_load_all(path.read_text()) if doc and doc["kind"] == "TradingBot"]
    assert len(found) == 1
    return found[0]  # type: ignore[no-any-return]


@pytest.fixture
def demo_bot(tools: Tools) -> Bot:
    """The bot that the demo made. Tests look at it and leave it alone."""
    return Bot(tools, NAMESPACE, "btc-breakout")
