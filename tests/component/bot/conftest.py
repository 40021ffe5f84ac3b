"""Real PostgreSQL, one private server for all tests of the session, one database per test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests.component.bot.alone import AloneProcess
from tests.component.bot.process import BotProcess
from tests.support import postgresql

from tradingbot.domain import secrecy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "component/bot" in str(item.path):
            item.add_marker(pytest.mark.component)


@pytest.fixture(autouse=True)
def secrets_end_with_their_test() -> Iterator[None]:
    """Let a word that was a password in one test be a word in the next."""
    yield
    secrecy.forget()


@pytest.fixture(scope="session")
def server() -> Iterator[postgresql.Server]:
    with postgresql.running() as running:
        yield running


@pytest.fixture
def own() -> Iterator[postgresql.Server]:
    """Give a database server that a test may stop and kill."""
    with postgresql.running() as running:
        yield running


@pytest.fixture
async def database(server: postgresql.Server, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """Give the URL of an empty database."""
    name = f"t{abs(hash(request.node.nodeid)) % 10**12}"
    connection = await asyncpg.connect(server.url())
    await connection.execute(f'CREATE DATABASE "{name}"')
    yield server.url(name)
    await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    await connection.close()


@pytest.fixture
def bots(tmp_path: Path) -> Iterator[Callable[..., BotProcess]]:
    """Make bot processes; whatever is still running afterwards is killed by its pid."""
    made: list[BotProcess] = []

    def make(name: str, url: str, **settings: object) -> BotProcess:
        made.append(BotProcess(tmp_path, name, url, **settings))
        return made[-1]

    yield make
    for bot in made:
        bot.kill()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Callable[..., AloneProcess]]:
    made: list[AloneProcess] = []

    def make(name: str = "one", *options: str, **environment: str) -> AloneProcess:
        made.append(AloneProcess(tmp_path, name, *options, **environment))
        return made[-1]

    yield make
    for bot in made:
        bot.kill()
