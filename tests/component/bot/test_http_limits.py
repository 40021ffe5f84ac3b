"""What the network may throw at the page must not reach trading."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

import aiohttp
import pytest
from tests.component.bot.process import BotProcess, audit, until_rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

TRADES = "SELECT count(*) FROM simulation.trades"
CONNECTIONS = 1000
MEBIBYTE = 1024 * 1024


async def test_a_thousand_connections_that_send_nothing_do_no_harm(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    bot = bots("pod", database, environment={"API_KEY": "key"}).start()
    await bot.trading()
    half = CONNECTIONS // 2
    opened = [await asyncio.open_connection("127.0.0.1", bot.port) for _ in range(CONNECTIONS)]
    for _, writer in opened[:half]:
        # The other half sends a beginning, and never its end.
        writer.write(b"GET /api/v1/status HTTP/1.1\r\nHost: ")
    before = await until_rows(database, TRADES, 0)
    await until_rows(database, TRADES, before + 3)
    status = (await bot.get("/api/v1/status"))[1]
    assert (status["ready"], status["role"], status["state"]) == (True, "trading", "ACTIVE")
    code, status = await bot.ask("POST", "/api/v1/bot/emergency-stop", **{"X-API-Key": "key"})
    assert (code, status["state"]) == (202, "KILLED")
    for _, writer in opened:
        writer.close()
    assert bot.end() == 0
    await audit(database)


@pytest.mark.parametrize("extra", [0, 1])
async def test_a_body_of_more_than_a_mebibyte_is_refused(
    database: str, bots: Callable[..., BotProcess], extra: int
) -> None:
    bot = bots("pod", database, environment={"API_KEY": "key"}).start()
    await bot.trading()
    url = f"http://127.0.0.1:{bot.port}/api/v1/bot/emergency-stop"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=io.BytesIO(b"x" * (MEBIBYTE + extra)), headers={"X-API-Key": "wrong"}) as response,
    ):
        body = await response.json(content_type=None)
        assert response.status == (413 if extra else 401)
        assert response.content_type == "application/problem+json"
        assert body["title"] == ("BodyTooLarge" if extra else "ApiKeyWrong")
    assert bot.end() == 0


async def test_a_body_that_does_not_say_its_length_is_read_no_further_than_a_mebibyte(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b" " * MEBIBYTE

    bot = bots("pod", database, environment={"API_KEY": "key"}).start()
    await bot.trading()
    url = f"http://127.0.0.1:{bot.port}/api/v1/bot/stop"
    headers = {"X-API-Key": "key", "Content-Type": "application/json"}
    async with aiohttp.ClientSession() as session, session.post(url, data=endless(), headers=headers) as response:
        body = await response.json(content_type=None)
    assert (response.status, body["title"]) == (413, "BodyTooLarge")
    for data, title in ((b"{", "NotJson"), (b"[" * 100_000, "NotJson"), (b"[]", "InvalidBody"), (b"\xff", "NotJson")):
        async with aiohttp.ClientSession() as session, session.post(url, data=data, headers=headers) as response:
            assert (await response.json(content_type=None))["title"] == title
    text = {**headers, "Content-Type": "text/plain"}
    async with aiohttp.ClientSession() as session, session.post(url, data=b"x", headers=text) as response:
        assert response.status == 415
    assert (await bot.get("/api/v1/status"))[1]["state"] == "ACTIVE"
    assert bot.end() == 0
