"""The API as a person or a program uses it: commands take the way of every order, and say what they could not do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests.component.bot.process import BotProcess, audit, until_rows
from tests.support.waiting import until

from tradingbot.domain.denial import DenialCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support import postgresql

KEY = {"X-API-Key": "key"}
QUIET = {"strategy": {"name": "breakout", "parameters": {"entry_lookback": 5000, "exit_lookback": 4999}}}
"""A strategy that proposes no entry and no exit in the first days of the market, the first minutes of a test."""


def quiet(bots: Callable[..., BotProcess], database: str, **changes: Any) -> BotProcess:
    return bots("pod", database, environment={"API_KEY": "key"}, **{**QUIET, **changes}).start()


async def price(bot: BotProcess) -> float:
    """Wait for the first price, and return it."""

    async def look() -> Any:
        account = (await bot.get("/api/v1/bot/status"))[1]["account"]
        return account["prices"]["BTC/USD"] if account and account["prices"] else None

    found = await until(look, "a price")
    return float(str(found))


async def buy(bot: BotProcess, **changes: Any) -> tuple[int, Any]:
    last = await price(bot)
    values = {
        "asset_pair": "BTC/USD",
        "action": "BUY",
        "stop_loss": round(last * 0.9),
        "take_profit": round(last * 1.5),
    }
    return await bot.ask("POST", "/api/v1/bot/manual-trade", {**values, **changes}, **KEY)


async def test_a_manual_trade_is_recorded_sent_protected_and_closed(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    bot = quiet(bots, database)
    await bot.trading()
    code, body = await buy(bot, size="0.01", reason="I believe in it")
    assert (code, body["committed"], body["decision"]["strategy"]) == (202, True, "manual"), body
    await bot.until(lambda s: s["positions"] == 1)
    (position,) = (await bot.get("/api/v1/bot/positions"))[1]["positions"]
    assert (position["id"], position["quantity"], position["strategy"]) == ("BTC-USD", "0.01", "manual")
    assert position["stop_loss"]
    again, denied = await buy(bot)
    assert (again, denied["title"]) == (409, "POSITION_EXISTS")
    assert "already has a position" in denied["detail"]
    code, body = await bot.ask("POST", "/api/v1/bot/positions/BTC-USD/close", {"reason": "enough"}, **KEY)
    assert (code, body["decision"]["action"]) == (202, "exit")
    await bot.until(lambda s: (s["positions"], s["open_orders"]) == (0, 0))
    for wanted in ("BTC-USD", "ETH%2FUSD"):
        code, body = await bot.ask("POST", f"/api/v1/bot/positions/{wanted}/close", **KEY)
        assert (code, body["title"]) == (404, "NoSuchPosition")
    decisions = (await bot.get("/api/v1/decisions"))[1]["decisions"]
    assert [(one["action"], one["code"]) for one in decisions] == [
        ("exit", ""),
        ("enter", "POSITION_EXISTS"),
        ("enter", ""),
    ]
    (denied,) = (await bot.get("/api/v1/decisions?approved=false"))[1]["decisions"]
    assert denied["meaning"] == "the symbol already has a position or an entry order"
    assert (await bot.get("/api/v1/simulation/performance"))[1]["trades"] == 1
    assert bot.end() == 0
    await audit(database)


@pytest.mark.parametrize(
    ("changes", "code", "title"),
    [
        ({"asset_pair": "ETH/USD"}, 409, "UNKNOWN_SYMBOL"),
        ({"stop_loss": 10_000_000}, 409, "STOP_ON_WRONG_SIDE"),
        ({"size": "900"}, 409, "RISK_PER_TRADE"),
        ({"size": "0.00000001"}, 409, "ORDER_TOO_SMALL"),
        ({"size": "1" * 70}, 422, "InvalidBody"),
        ({"size": 1e300}, 422, "InvalidBody"),
        ({"size": "0.0123456789012345678901234567890123456789"}, 409, "ORDER_TOO_SMALL"),
        ({"size": "NaN"}, 422, "InvalidBody"),
        ({"size": -1}, 422, "InvalidBody"),
        ({"action": "hold"}, 422, "InvalidBody"),
        ({"stop_loss": None}, 422, "InvalidBody"),
        ({"leverage": 10}, 422, "InvalidBody"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_manual_trade_that_is_refused_changes_nothing(
    database: str, bots: Callable[..., BotProcess], changes: dict[str, Any], code: int, title: str
) -> None:
    bot = quiet(bots, database)
    await bot.trading()
    answered, body = await buy(bot, **changes)
    assert (answered, body["title"]) == (code, title), body
    assert bot.end() == 0
    assert (await audit(database))["intents"] == 0


async def test_a_pause_outlives_restarts_and_ends_with_start(database: str, bots: Callable[..., BotProcess]) -> None:
    bot = quiet(bots, database)
    await bot.trading()
    sent = {**KEY, "X-Correlation-ID": "lunch-of-2026"}
    code, body = await bot.ask("POST", "/api/v1/bot/stop", {"reason": "lunch"}, **sent)
    assert (code, body["state"], body["durable"]) == (200, "PAUSED", True)
    bot.kill()
    traced = [line["message"] for line in bot.lines() if line["correlation_id"] == "lunch-of-2026"]
    assert "restriction" in traced
    bot.start()
    status = await bot.trading()
    assert (status["state"], status["reasons"][0]["reason"]) == ("PAUSED", "lunch")
    assert (await buy(bot))[1]["title"] == "STATE_BLOCKS_ENTRIES"
    code, body = await bot.ask("POST", "/api/v1/bot/start", **KEY)
    assert (code, body["state"]) == (200, "ACTIVE")
    assert (await buy(bot))[0] == 202
    bot.kill()
    bot.start()
    await bot.until(lambda status: status["ready"] and status["state"] == "ACTIVE")
    assert (await bot.ask("POST", "/api/v1/bot/start", **KEY))[0] == 200
    assert bot.end() == 0


async def test_start_leaves_a_stop_alone_and_says_how_it_ends(database: str, bots: Callable[..., BotProcess]) -> None:
    bot = quiet(bots, database)
    await bot.trading()
    await bot.ask("POST", "/api/v1/bot/stop", **KEY)
    stop = (await bot.ask("POST", "/api/v1/bot/emergency-stop", **KEY))[1]["stop"]
    code, body = await bot.ask("POST", "/api/v1/bot/start", **KEY)
    assert (code, body["title"]) == (409, "StillRestricted")
    assert stop["id"] in body["detail"]
    assert "/api/v1/bot/resume" in body["detail"]
    assert (await bot.get("/api/v1/status"))[1]["state"] == "KILLED"
    assert (await bot.ask("POST", "/api/v1/bot/resume", {"stop_id": "other"}, **KEY))[1]["title"] == "NoSuchLatch"
    await bot.until(lambda s: s["stop"]["outcome"] is not None)
    code, body = await bot.ask("POST", "/api/v1/bot/resume", {"stop_id": stop["id"], "reason": "all is well"}, **KEY)
    assert (code, body["state"]) == (200, "ACTIVE"), body
    assert bot.end() == 0


async def test_the_pause_of_the_configuration_is_not_the_apis_to_lift(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    bot = quiet(bots, database, trading="Paused")
    await bot.trading()
    code, body = await bot.ask("POST", "/api/v1/bot/start", **KEY)
    assert (code, body["title"]) == (409, "StillRestricted")
    assert "spec.trading" in body["detail"]
    assert bot.end() == 0


@pytest.mark.parametrize(
    ("body", "title"),
    [
        ({"asset_pairs": ["ETH/USD"]}, "NotConfigured"),
        ({"dry_run": False}, "NotConfigured"),
        ({"take_profit": 3}, "InvalidBody"),
        ({"stop_loss": 0}, "InvalidBody"),
        ({"confidence_threshold": -0.1}, "InvalidBody"),
        ({"autonomous": "false"}, "InvalidBody"),
    ],
)
async def test_start_refuses_what_it_would_have_to_ignore(
    database: str, bots: Callable[..., BotProcess], body: dict[str, Any], title: str
) -> None:
    bot = quiet(bots, database)
    await bot.trading()
    before = (await bot.get("/api/v1/bot/config"))[1]
    code, answer = await bot.ask("POST", "/api/v1/bot/start", body, **KEY)
    assert (code, answer["title"]) == (409 if title == "NotConfigured" else 422, title)
    assert (await bot.get("/api/v1/bot/config"))[1] == before
    assert bot.end() == 0


async def test_start_sets_limits_first_and_then_lets_go_of_the_pause(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    bot = quiet(bots, database)
    await bot.trading()
    await bot.ask("POST", "/api/v1/bot/stop", **KEY)
    body = {"asset_pairs": ["BTC/USD"], "dry_run": True, "autonomous": False}
    body |= {"stop_loss": "0.02", "take_profit": 0.1, "confidence_threshold": 0.25}
    code, answer = await bot.ask("POST", "/api/v1/bot/start", body, **KEY)
    assert (code, answer["state"]) == (200, "ACTIVE"), answer
    limits = (await bot.get("/api/v1/bot/config"))[1]
    wanted = {"max_stop_distance": "0.02", "max_target_distance": "0.1", "min_confidence": "0.25", "autonomous": False}
    assert wanted.items() <= limits["effective"].items()
    assert limits["configured"]["autonomous"] is True
    bot.kill()
    bot.start()
    await bot.trading()
    assert wanted.items() <= (await bot.get("/api/v1/bot/config"))[1]["effective"].items()
    assert bot.end() == 0


async def test_a_simulation_that_is_not_autonomous_waits_for_a_persons_word_on_each_entry(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    exchange = {"order_confirmation_seconds": 86_400}
    bot = bots("pod", database, environment={"API_KEY": "key"}, exchange=exchange, trading="Paused").start()
    await bot.trading()
    assert (await bot.ask("PATCH", "/api/v1/bot/config", {"autonomous": False}, **KEY))[0] == 200
    bot.kill()
    bot.config["trading"] = "Active"
    bot.start()
    status = await bot.until(lambda status: status["confirmations"] == 1)
    assert (status["positions"], status["entry_orders"]) == (0, 0)
    (order,) = (await bot.get("/api/v1/bot/orders/waiting"))[1]["orders"]
    code, answer = await bot.ask("POST", f"/api/v1/bot/orders/{order['client_id']}/refuse", {"reason": "no"}, **KEY)
    assert (code, answer["decision"]["code"]) == (202, "CONFIRMATION_REFUSED")
    await bot.until(lambda status: status["confirmations"] == 1)
    (order,) = (await bot.get("/api/v1/bot/orders/waiting"))[1]["orders"]
    code, answer = await bot.ask("POST", f"/api/v1/bot/orders/{order['client_id']}/confirm", {"reason": "yes"}, **KEY)
    assert code == 202 or answer["title"] in DenialCode.__members__, answer
    assert bot.end() == 0
    await audit(database)


async def test_a_tighter_limit_counts_at_once_and_after_a_restart_a_looser_one_until_then(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    bot = quiet(bots, database, risk={"max_open_positions": 3})
    await bot.trading()
    await price(bot)
    patch = {"max_concurrent_trades": 1, "position_size_pct": "50", "max_order_value": 6, "max_price_jump": 0.1}
    code, body = await bot.ask("PATCH", "/api/v1/bot/config", patch, **KEY)
    assert (code, body["committed"]) == (200, True), body
    assert (body["effective"]["max_open_positions"], body["effective"]["max_position_size"]) == (1, "0.5")
    assert (body["configured"]["max_price_jump"], body["effective"]["max_price_jump"]) == ("0.2", "0.1")
    assert (await buy(bot, size="0.01"))[1]["title"] == "ORDER_VALUE"
    bot.kill()
    bot.start()
    await bot.trading()
    limits = (await bot.get("/api/v1/bot/config"))[1]
    assert (limits["effective"]["max_open_positions"], limits["effective"]["max_order_value"]) == (1, "6")
    assert limits["effective"]["max_position_size"] == limits["configured"]["max_position_size"] == "0.25"
    code, body = await bot.ask("PATCH", "/api/v1/bot/config", {"max_order_value": None}, **KEY)
    assert (code, body["effective"]["max_order_value"]) == (200, None)
    for wrong, title in (
        ({}, "NothingToChange"),
        ({"max_drawdown": 2}, "InvalidBody"),
        ({"stop_loss_pct": 1, "max_stop_distance": 0.1}, "SameLimitTwice"),
        ({"confidence_threshold": 1.5}, "InvalidBody"),
        ({"confidence_threshold": 0.5, "min_confidence": 0.5}, "SameLimitTwice"),
        ({"autonomous": "no"}, "InvalidBody"),
    ):
        assert (await bot.ask("PATCH", "/api/v1/bot/config", wrong, **KEY))[1]["title"] == title
    assert bot.end() == 0


async def test_a_simulation_starts_anew_and_keeps_its_past(database: str, bots: Callable[..., BotProcess]) -> None:
    bot = bots("pod", database, environment={"API_KEY": "key"}).start()
    await bot.trading()
    await until_rows(database, "SELECT count(*) FROM simulation.trades", 6)
    assert (await bot.ask("POST", "/api/v1/simulation/reset", **KEY))[1]["title"] == "NotPaused"
    await bot.ask("POST", "/api/v1/bot/stop", **KEY)
    # The market goes on: what was open a moment ago may be closed when the next request arrives.
    if (await bot.get("/api/v1/bot/positions"))[1]["positions"]:
        code, body = await bot.ask("POST", "/api/v1/simulation/reset", **KEY)
        assert code == 200 or body["title"] == "PositionsOpen", body
        await bot.ask("POST", "/api/v1/bot/positions/BTC-USD/close", **KEY)
    await bot.until(lambda s: (s["positions"], s["open_orders"]) == (0, 0))
    before = await audit(database)
    code, body = await bot.ask("POST", "/api/v1/simulation/reset", {"reason": "again"}, **KEY)
    assert (code, body["committed"], body["initial_capital"]) == (200, True, "10000"), body
    account = (await bot.get("/api/v1/bot/status"))[1]["account"]
    assert (account["equity"], account["fees"], account["realized"], account["peak"]) == ("10000", "0", "0", "10000")
    performance = (await bot.get("/api/v1/simulation/performance"))[1]
    assert (performance["trades"], performance["fills"], performance["total_return"]) == (0, 0, "0.000000")
    bot.kill()
    bot.start()
    await bot.until(lambda status: status["ready"] and status["state"] == "PAUSED")
    assert (await bot.get("/api/v1/bot/status"))[1]["account"]["equity"] == "10000"
    connection = await asyncpg.connect(database)
    assert await connection.fetchval("SELECT count(*) FROM simulation.trades") == before["trades"]
    totals = "SELECT sum(amount) FROM simulation.postings WHERE account = 'available' AND asset = 'USD'"
    assert await connection.fetchval(totals) == 10_000
    await connection.close()
    assert (await bot.ask("POST", "/api/v1/bot/start", **KEY))[0] == 200
    await until_rows(database, "SELECT count(*) FROM simulation.trades", before["trades"] + 4)
    assert bot.end() == 0


async def test_asking_for_a_decision_records_and_trades_nothing(database: str, bots: Callable[..., BotProcess]) -> None:
    bot = bots("pod", database, environment={"API_KEY": "key"}).start()
    await bot.trading()
    await until_rows(database, "SELECT count(*) FROM simulation.trades", 1)
    code, body = await bot.ask("POST", "/api/v1/decisions", {"asset_pair": "BTC/USD"}, **KEY)
    assert (code, list(body)) == (200, ["decisions"])
    assert (await bot.ask("POST", "/api/v1/decisions", {"asset_pair": "X/USD"}, **KEY))[1]["title"] == "UnknownSymbol"
    assert bot.end() == 0
    await audit(database)


async def test_while_the_database_is_away_commands_wait_and_nothing_is_loosened(
    own: postgresql.Server, bots: Callable[..., BotProcess]
) -> None:
    bot = quiet(bots, own.url())
    await bot.trading()
    await price(bot)
    await asyncio.to_thread(own.stop, hard=True)
    try:
        code, body = await bot.ask("POST", "/api/v1/bot/stop", {"reason": "no database"}, **KEY)
        assert (code, body["durable"]) == (200, False)
        code, body = await bot.ask("POST", "/api/v1/bot/start", **KEY)
        assert code == 503, body
        assert (await bot.get("/api/v1/trades"))[0] == 503
        assert "PAUSED" in [reason["state"] for reason in (await bot.get("/api/v1/status"))[1]["reasons"]]
    finally:
        await asyncio.to_thread(own.start)
    await bot.until(lambda s: s["ready"] and s["state"] == "PAUSED")
    assert (await bot.ask("POST", "/api/v1/bot/stop", **KEY))[1]["durable"] is True
    assert (await bot.ask("POST", "/api/v1/bot/start", **KEY))[0] == 200
    assert bot.end() == 0


@pytest.mark.parametrize("key", ["", "k", "key2", "x" * 5000, "schlüssel"])
async def test_a_key_of_any_other_length_opens_nothing(
    database: str, bots: Callable[..., BotProcess], key: str
) -> None:
    bot = quiet(bots, database)
    await bot.trading()
    sent = {"X-API-Key": key} if key else {}
    code, body = await bot.ask("POST", "/api/v1/bot/stop", **sent)
    assert (code, body["title"]) == (401, "ApiKeyWrong" if key else "ApiKeyMissing")
    assert (await bot.get("/api/v1/status"))[1]["state"] == "ACTIVE"
    assert bot.end() == 0


async def test_the_page_of_the_api_comes_from_this_server_alone(database: str, bots: Callable[..., BotProcess]) -> None:
    bot = quiet(bots, database)
    await bot.trading()
    code, page = await bot.get("/api/docs")
    assert code == 200
    assert "/static/docs.js" in page
    assert (await bot.get("/static/docs.js"))[0] == 200
    assert bot.end() == 0


async def test_a_process_in_standby_pauses_and_leaves_the_rest_to_the_one_that_trades(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    old = quiet(bots, database)
    await old.trading()
    new = bots("new", database, environment={"API_KEY": "key"}, **QUIET).start()
    await new.until(lambda status: status["ready"])
    for method, path, body in (
        ("POST", "/api/v1/bot/start", None),
        (
            "POST",
            "/api/v1/bot/manual-trade",
            {"asset_pair": "BTC/USD", "action": "buy", "stop_loss": 1, "take_profit": 2},
        ),
        ("PATCH", "/api/v1/bot/config", {"max_drawdown": 0.1}),
        ("POST", "/api/v1/simulation/reset", None),
    ):
        code, answer = await new.ask(method, path, body, **KEY)
        assert (code, answer["title"]) == (409, "NotTrading"), path
    code, answer = await new.ask("POST", "/api/v1/bot/stop", {"reason": "from the other"}, **KEY)
    assert (code, answer["durable"]) == (200, True)
    status = await old.until(lambda status: status["state"] == "PAUSED")
    assert status["reasons"][0]["reason"] == "from the other"
    assert (await old.ask("POST", "/api/v1/bot/start", **KEY))[0] == 200
    await new.until(lambda status: status["state"] == "ACTIVE")
    assert old.end() == 0
    assert new.end() == 0
