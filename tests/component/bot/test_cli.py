"""The command line against a running bot: tables for people, JSON for programs, exit codes for scripts."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.component.bot.process import BotProcess, until_rows

if TYPE_CHECKING:
    from collections.abc import Callable

TOOL = str(Path(sys.executable).with_name("tradingbot"))
KEY = {"TRADINGBOT_API_KEY": "key"}


async def cli(bot: BotProcess | str, *words: str, **environment: str) -> tuple[int, str, str]:
    url = bot if isinstance(bot, str) else f"http://127.0.0.1:{bot.port}"
    process = await asyncio.create_subprocess_exec(
        TOOL, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin", "TRADINGBOT_API_URL": url, **environment},
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def said(bot: BotProcess, *words: str, **environment: str) -> Any:
    code, out, err = await cli(bot, *words, "--json", **environment)
    assert code == 0, (out, err)
    return json.loads(out)


async def test_a_day_with_a_bot(database: str, bots: Callable[..., BotProcess]) -> None:
    bot = bots("pod", database, environment={"API_KEY": "key"}).start()
    await bot.trading()
    await until_rows(database, "SELECT count(*) FROM simulation.trades", 2)
    code, out, _ = await cli(bot, "bot", "status")
    assert code == 0
    assert "test/btc" in out
    assert "ACTIVE" in out
    assert (await said(bot, "bot", "status"))["state"] == "ACTIVE"
    assert (await said(bot, "bot", "stop", "--reason", "lunch", **KEY))["state"] == "PAUSED"
    code, out, _ = await cli(bot, "bot", "status")
    assert "PAUSED by api" in out
    assert "lunch" in out
    assert (await said(bot, "bot", "start", **KEY))["state"] == "ACTIVE"
    changed = await said(bot, "config", "update", "max_open_positions=1", "position_size_pct=10", **KEY)
    assert (changed["effective"]["max_open_positions"], changed["effective"]["max_position_size"]) == (1, "0.1")
    assert "max_position_size" in (await cli(bot, "config", "show"))[1]
    assert (await said(bot, "config", "update", "max_open_positions=null", **KEY))["effective"][
        "max_open_positions"
    ] == 5
    code, out, _ = await cli(bot, "health", "check")
    assert (code, "database" in out, "healthy" in out) == (0, True, True)
    assert "equity" in (await cli(bot, "metrics", "show"))[1]
    assert "approved" in (await cli(bot, "decisions", "--limit", "5"))[1]
    assert all(not one["approved"] for one in (await said(bot, "decisions", "--denied"))["decisions"])
    assert (await said(bot, "orders", "waiting"))["orders"] == []
    assert (await cli(bot, "positions", "list"))[0] == 0
    stopped = await said(bot, "bot", "emergency-stop", "--close-positions", "--reason", "enough", **KEY)
    assert (stopped["state"], stopped["stop"]["close_positions"], stopped["stop"]["reason"]) == (
        "KILLED",
        True,
        "enough",
    )
    await bot.until(lambda s: s["stop"]["outcome"] is not None and s["stop"]["outcome"]["state"] == "FLAT")
    code, _, err = await cli(bot, "bot", "start", **KEY)
    assert (code, "StillRestricted" in err) == (1, True)
    assert (await said(bot, "bot", "resume", stopped["stop"]["id"], **KEY))["state"] == "ACTIVE"
    assert bot.end() == 0


@pytest.mark.parametrize(
    ("words", "environment", "code", "text"),
    [
        (("bot", "stop"), {}, 77, "set --api-key or TRADINGBOT_API_KEY"),
        (("bot", "stop"), {"TRADINGBOT_API_KEY": "wrong"}, 77, "not the one that is configured"),
        (("positions", "close", "BTC/USD"), KEY, 1, "NoSuchPosition"),
        (("config", "update", "max_drawdown=2"), KEY, 1, "max_drawdown"),
        (("config", "update", "max_drawdown"), KEY, 2, "write NAME=VALUE"),
        (("flags", "list"), {}, 1, "NoRedis"),
        (("flags", "set", "a", "maybe"), KEY, 2, "write on or off"),
        (("bot", "trade", "BTC/USD", "buy", "--stop-loss", "1", "--take-profit", "2"), KEY, 1, "STOP_ON_WRONG_SIDE"),
        (("bot", "status", "--api-url", "127.0.0.1"), {}, 2, "http://HOST:PORT"),
        (("bot", "status", "--api-url", "http://127.0.0.1:9"), {}, 69, "is it running?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value)[:12],
)
async def test_what_does_not_work_says_what_to_do(
    database: str,
    bots: Callable[..., BotProcess],
    words: tuple[str, ...],
    environment: dict[str, str],
    code: int,
    text: str,
) -> None:
    quiet = {"name": "breakout", "parameters": {"entry_lookback": 5000}}
    bot = bots("pod", database, environment={"API_KEY": "key"}, strategy=quiet).start()
    await bot.trading()
    answered, out, err = await cli(bot, *words, **environment)
    assert (answered, out) == (code, "")
    assert text in " ".join(err.split())
    assert "key" not in out
    assert bot.end() == 0


async def test_an_answer_that_is_not_a_bots_is_no_answer() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        asked.append(request.decode())
        writer.write(answers[len(asked) - 1])
        writer.close()

    asked: list[str] = []
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    away = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"
    answers = [page, away, b"nonsense\r\n\r\n"]
    for _ in answers:
        code, out, err = await cli(url, "bot", "status", **KEY)
        assert (code, out) == (69, ""), err
    assert len(asked) == 3
    server.close()
    await server.wait_closed()


async def test_shells_can_complete_it() -> None:
    code, out, _ = await cli("", "--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert code == 0
    assert "_TRADINGBOT_COMPLETE" in out
