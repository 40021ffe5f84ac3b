"""The process as a person or a kubelet meets it."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import aiohttp
import asyncpg
import pytest
from tests.component.bot.process import BotProcess, audit, until_rows

if TYPE_CHECKING:
    from collections.abc import Callable

TRADES = "SELECT count(*) FROM simulation.trades"


async def test_it_trades_ends_in_order_and_goes_on_where_it_was(database: str, bots: Callable[..., BotProcess]) -> None:
    bot = bots("pod", database).start()
    await bot.trading()
    await until_rows(database, TRADES, 6)
    assert bot.end() == 0
    before = await audit(database)
    connection = await asyncpg.connect(database)
    assert await connection.fetchval("SELECT holder FROM simulation.lease") == ""
    last = await connection.fetchval("SELECT max(market_ts) FROM simulation.trades")
    entries = "SELECT count(*) FROM simulation.orders WHERE role = 'entry' AND state IN ('INTENT', 'SENT', 'OPEN')"
    assert await connection.fetchval(entries) == 0
    bot.start()
    status = await bot.trading()
    assert status["epoch"] == 2
    await until_rows(database, TRADES, before["trades"] + 4)
    assert bot.end() == 0
    await audit(database)
    epochs = await connection.fetch(
        "SELECT i.epoch, min(t.market_ts) AS first FROM simulation.trades t JOIN simulation.intents i "
        "USING (bot, client_id) GROUP BY i.epoch ORDER BY i.epoch"
    )
    assert [row["epoch"] for row in epochs] == [1, 2]
    assert epochs[1]["first"] > last
    await connection.close()


async def test_the_log_is_json_with_the_agreed_fields_and_no_secret(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    bot = bots("pod", database, environment={"API_KEY": "do-not-tell", "BINANCE_API_SECRET": "do-not-tell"}).start()
    await bot.trading()
    assert (await bot.ask("POST", "/api/v1/bot/emergency-stop", **{"X-API-Key": "do-not-tell"}))[0] == 202
    assert bot.end() == 0
    for line in bot.lines():
        assert list(line)[:7] == ["timestamp", "level", "message", "logger", "correlation_id", "service", "version"]
        assert line["trading_mode"] == "simulation"
    text = bot.log.read_text()
    assert len(bot.lines()) == len(text.splitlines())
    assert "do-not-tell" not in text
    assert "private" not in text


async def test_the_endpoints_say_what_was_agreed(database: str, bots: Callable[..., BotProcess]) -> None:
    bot = bots("pod", database).start()
    status = await bot.trading()
    assert set(status) == {
        "bot", "version", "mode", "state", "role", "ready", "config_hash", "epoch", "positions", "open_orders",
        "entry_orders", "entries_gone", "account", "approval", "promotion", "confirmations", "reasons", "stop",
        "last_stop",
    }  # fmt: skip
    assert (status["bot"], status["state"], status["stop"]) == ("test/btc", "ACTIVE", None)
    await until_rows(database, TRADES, 3)
    for path in ("/live", "/ready"):
        assert (await bot.get(path))[0] == 200
    code, health = await bot.get("/health")
    assert code == 200
    assert health["status"] == "healthy"
    wanted = {"status", "timestamp", "version", "uptime", "database_connected", "exchange_connected",
              "simulation_running", "trading_mode"}  # fmt: skip
    assert wanted <= set(health)
    _, trades = await bot.get("/api/v1/trades?limit=2")
    assert len(trades["trades"]) == 2
    assert re.fullmatch(r"\d+(\.\d+)?", trades["trades"][0]["price"])
    _, decisions = await bot.get("/api/v1/decisions")
    assert decisions["decisions"][0]["facts"]
    _, positions = await bot.get("/api/v1/bot/positions")
    assert set(positions) == {"positions", "orders"}
    _, account = await bot.get("/api/v1/bot/status")
    assert float(account["account"]["equity"]) > 0
    _, equity = await bot.get("/api/v1/equity?limit=5")
    assert equity["equity"]
    assert bot.end() == 0


async def test_the_metrics_have_the_agreed_names(database: str, bots: Callable[..., BotProcess]) -> None:
    bot = bots("pod", database).start()
    await bot.trading()
    await until_rows(database, TRADES, 2)
    code, text = await bot.get("/metrics")
    assert code == 200
    for line in (
        'trades_total{direction="long",strategy="breakout",symbol="BTC/USD"}',
        'active_positions{strategy="breakout"}',
        'trade_execution_latency_seconds_bucket{le="0.1"}',
        'trade_execution_latency_seconds_bucket{le="5.0"}',
        'orders_placed_total{market_type="Spot",strategy="breakout"}',
        'unrealized_pnl{strategy="breakout"}',
        'portfolio_value{platform="binance"}',
        'orders_denied_total{code="MAX_OPEN_POSITIONS"}',
        "order_placement_duration_seconds_count",
        "trading_state 0.0",
        "process_resident_memory_bytes",
    ):
        assert line in text, line
    assert bot.end() == 0


PROBLEMS = [
    ("GET", "/nothing", 404, "there is no /nothing"),
    ("DELETE", "/api/v1/status", 405, "DELETE is not possible here, but GET"),
    ("GET", "/api/v1/trades?limit=0", 400, "limit must be greater than or equal to 1"),
    ("GET", "/api/v1/trades?limit=many", 400, "limit must be a valid integer"),
    ("GET", "/api/v1/decisions?before=yesterday", 400, "before: String should match"),
    ("GET", "/api/v1/trades?limits=5", 400, "did you mean limit?"),
    ("POST", "/api/v1/bot/emergency-stop?close_position=true", 403, "set the environment variable API_KEY"),
    ("POST", "/api/v1/bot/emergency-stop", 403, "set the environment variable API_KEY"),
]


async def test_errors_are_problems_that_say_what_to_do(database: str, bots: Callable[..., BotProcess]) -> None:
    bot = bots("pod", database).start()
    await bot.trading()
    async with aiohttp.ClientSession() as session:
        for method, path, code, text in PROBLEMS:
            async with session.request(method, f"http://127.0.0.1:{bot.port}{path}") as response:
                body = json.loads(await response.read())
                assert (response.status, response.content_type) == (code, "application/problem+json"), path
                assert text in body["detail"]
                assert body["correlation_id"] == response.headers["X-Correlation-ID"]
        headers = {"X-Correlation-ID": "my-own-id"}
        async with session.get(f"http://127.0.0.1:{bot.port}/live", headers=headers) as response:
            assert response.headers["X-Correlation-ID"] == "my-own-id"
            assert response.headers["Content-Security-Policy"].startswith("default-src 'self'")
        async with session.post(f"http://127.0.0.1:{bot.port}/api/v1/status", data=b"x" * 200_000) as response:
            assert response.status in (405, 413)
    assert bot.end() == 0


async def test_the_key_opens_the_emergency_stop_and_nothing_else_does(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    bot = bots("pod", database, environment={"API_KEY": "right"}).start()
    await bot.trading()
    path = "/api/v1/bot/emergency-stop?close_positions=true"
    for key, code in (({}, 401), ({"X-API-Key": "wrong"}, 401), ({"X-API-Key": "right "}, 202)):
        answered, body = await bot.ask("POST", path, **key)
        assert answered == code, body
    status = await bot.until(lambda s: s["state"] == "KILLED" and s["stop"]["outcome"] is not None)
    assert status["stop"]["source"] == "api"
    assert status["stop"]["close_positions"] is True
    final = await bot.until(lambda s: s["stop"]["outcome"]["state"] == "FLAT")
    assert (final["positions"], final["open_orders"]) == (0, 0)
    again = (await bot.ask("POST", path, **{"X-API-Key": "right"}))[1]
    assert again["stop"]["id"] == status["stop"]["id"]
    assert bot.end() == 0
    await audit(database)


async def test_the_page_and_its_stream(database: str, bots: Callable[..., BotProcess]) -> None:
    bot = bots("pod", database).start()
    await bot.trading()
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{bot.port}/dashboard") as response:
            page = await response.text()
        assert response.status == 200
        for found in re.findall(r'(?:src|href)="(/static/[^"]+)"', page):
            async with session.get(f"http://127.0.0.1:{bot.port}{found}") as asset:
                assert asset.status == 200, found
        async with session.get(f"http://127.0.0.1:{bot.port}/api/v1/events") as stream:
            assert stream.content_type == "text/event-stream"
            seen: list[dict[str, Any]] = []
            async for line in stream.content:
                if line.startswith(b"data: "):
                    seen.append(json.loads(line[6:]))
                if len(seen) == 3:
                    break
            times = [one["account"]["market_time"] for one in seen]
            assert times == sorted(set(times))
            # An open stream must not hold the process up.
            assert await asyncio.to_thread(bot.end) == 0


BAD = [
    ({"strategy": {"name": "brakeout"}}, "UnknownStrategy", "breakout"),
    (
        {"strategy": {"name": "breakout", "parameters": {"entry_lookback": 0}}},
        "InvalidStrategyParameters",
        "entry_lookback",
    ),
    ({"risk": {"max_drawdwn": 1}}, "InvalidConfiguration", "max_drawdown"),
    ({"strategy": {"name": "breakout", "symbols": ["ETH/USD"]}}, "UnknownSymbol", "BTC/USD"),
    ({"simulation": {"feed": {"type": "Recorded", "dataset": "x"}}}, "DataNotFound", "recorded"),
]


@pytest.mark.parametrize(("changes", "reason", "hint"), BAD, ids=[reason for _, reason, _ in BAD])
async def test_a_configuration_that_cannot_work_ends_with_78_and_the_reason(
    database: str, bots: Callable[..., BotProcess], changes: dict[str, Any], reason: str, hint: str
) -> None:
    bot = bots("pod", database, **changes).start()
    assert await asyncio.to_thread(bot.wait) == 78
    written = json.loads(bot.termination.read_text())
    assert written["reason"] == reason
    assert hint in written["message"]


async def test_data_that_ends_halts_the_bot_and_says_how_to_go_on(
    database: str, bots: Callable[..., BotProcess], tmp_path: Any
) -> None:
    from tests.unit.bot.test_feeds import rows, write

    write(tmp_path / "data", rows(40))
    feed = {"feed": {"type": "Recorded", "dataset": "test", "speed": 0}}
    bot = bots("pod", database, simulation=feed, environment={"DATA_PATH": str(tmp_path / "data")}).start()
    status = await bot.until(lambda s: s["state"] == "HALTED")
    assert status["reasons"][0]["source"] == "feed"
    assert "simulation.feed.loop" in status["reasons"][0]["reason"]
    assert status["ready"]
    assert bot.end() == 0


async def test_the_synthetic_market_needs_no_data(database: str, bots: Callable[..., BotProcess]) -> None:
    feed = {"feed": {"type": "Synthetic", "speed": 7200}, "seed": 5}
    strategy = {"name": "moving-average-cross", "symbols": ["AAA/USD", "BBB/USD"], "parameters": {"fast": 2, "slow": 5}}
    bot = bots("pod", database, simulation=feed, strategy=strategy).start()
    await bot.trading()
    await until_rows(database, TRADES, 4)
    assert bot.end() == 0
    await audit(database)


async def test_other_parameters_keep_the_position_and_warm_up_anew(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    bot = bots("pod", database).start()
    await bot.trading()
    await until_rows(database, TRADES, 1)
    bot.kill()
    bot.config["strategy"] = {"name": "moving-average-cross", "parameters": {"fast": 3, "slow": 9}}
    bot.start()
    status = await bot.trading()
    assert status["epoch"] == 2
    await until_rows(database, "SELECT count(*) FROM simulation.trades WHERE strategy = 'moving-average-cross'", 2)
    assert bot.end() == 0
    await audit(database)
