"""Real pods on a real cluster: the demo's own path, then what could go wrong with it.

The workers of a parallel run share one cluster: the first brings it up, the last takes it down.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.bots import NAMESPACE, Bot, Bots, the_example
from tests.support.installed_operator import stopped
from tests.support.live import two_people

from tradingbot_cluster.demo import demo, environment
from tradingbot_cluster.files import exclusive, read_json, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tradingbot_cluster.demo.tools import Tools


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/e2e/" in item.path.as_posix():
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(1800))


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder that all workers of this run have in common."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def tools(shared: Path) -> Iterator[Tools]:
    """`make demo`, exactly: what is missing is made, what runs is left alone.

    A cluster that ran before goes on running, and so does any with TRADINGBOT_KEEP=1, to look at what a test left.
    """
    lock, note = shared / "demo.lock", shared / "demo.json"
    with exclusive(lock, "the demo"):
        users: dict[str, Any] = read_json(note) or {"workers": 0, "ran": environment.cluster_runs()}
        write_atomically(note, json.dumps(users))
        made = demo.up()
        write_atomically(note, json.dumps(users | {"workers": users["workers"] + 1}))
    yield made
    with exclusive(lock, "the demo"):
        users = read_json(note) or users
        write_atomically(note, json.dumps(users | {"workers": users["workers"] - 1}))
        if users["workers"] == 1 and not users["ran"] and os.environ.get("TRADINGBOT_KEEP") != "1":
            demo.down()


@pytest.fixture
def operator_lock(shared: Path) -> Iterator[int]:
    with (shared / "operator.lock").open("wb") as lock:
        yield lock.fileno()


@pytest.fixture(autouse=True)
def operator_runs(request: pytest.FixtureRequest, operator_lock: int) -> None:
    """The operator runs while a test does that does not stop it itself."""
    if "without_operator" not in request.fixturenames:
        fcntl.flock(operator_lock, fcntl.LOCK_SH)


@pytest.fixture
def without_operator(tools: Tools, operator_lock: int) -> Iterator[None]:
    """Stop the operator, once no other test needs it, and start it again in the end."""
    fcntl.flock(operator_lock, fcntl.LOCK_EX)
    with stopped(tools):
        yield


@pytest.fixture
def bots(tools: Tools) -> Iterator[Bots]:
    """TradingBots of one test, deleted at its end."""
    made = Bots(tools)
    with contextlib.closing(made):
        yield made


@pytest.fixture(scope="session")
def example() -> dict[str, Any]:
    """The TradingBot that the README tells people to apply."""
    return the_example()


@pytest.fixture
def demo_bot(tools: Tools) -> Bot:
    """The bot that the demo made. Tests look at it and leave it alone."""
    return Bot(tools, NAMESPACE, "btc-breakout")


@pytest.fixture(scope="module")
def people(tools: Tools) -> Iterator[None]:
    """Alice writes bots, Bob approves."""
    with two_people(tools):
        yield
