"""Each fault does what it says, and is in the journal."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import ccxt.async_support as ccxt
import pytest
from tests.exchange_server import ExchangeServer, FaultPlan, Kind, ManualClock, Rule

pytestmark = pytest.mark.component
PAIR = "BTC/USDT"
ORDER = "/api/v3/order"
FILLS = "/api/v3/myTrades"


async def buy(client: Any, name: str, price: str = "49000", amount: str = "0.01") -> dict[str, Any]:
    order: dict[str, Any] = await client.create_order(PAIR, "limit", "buy", amount, price, {"clientOrderId": name})
    return order


async def trade_ids(client: Any) -> list[str]:
    return [trade["info"]["id"] for trade in await client.fetch_my_trades(PAIR)]


@pytest.mark.parametrize("processed", [False, True])
async def test_a_time_out_before_or_after_acceptance(server: ExchangeServer, client: Any, processed: bool) -> None:
    await client.load_markets()
    server.faults.add(Kind.TIMEOUT, "POST", ORDER, processed=processed)
    client.timeout = 200
    with pytest.raises(ccxt.RequestTimeout):
        await buy(client, "lost")
    assert (server.truth.order("lost") is not None) is processed
    [entry] = server.journal.faulty()
    assert (entry.processed, entry.answered, entry.params["newClientOrderId"]) == (processed, False, "lost")


async def test_a_ban_lasts(server: ExchangeServer, client: Any, clock: ManualClock) -> None:
    await client.load_markets()
    server.faults.add(Kind.BAN, "GET", ORDER, retry_after=30)
    for _ in range(2):
        with pytest.raises(ccxt.DDoSProtection, match="418"):
            await client.fetch_order("1", PAIR)
    assert client.last_response_headers["Retry-After"] == "30"
    clock.advance(seconds=30)
    with pytest.raises(ccxt.OrderNotFound):
        await client.fetch_order("1", PAIR)


async def test_an_accepted_order_is_invisible_for_a_while(server: ExchangeServer, client: Any) -> None:
    server.faults.add(Kind.ORDER_INVISIBLE, "POST", ORDER, count=2)
    await buy(client, "shy")
    assert await client.fetch_open_orders(PAIR) == []
    for _ in range(2):
        with pytest.raises(ccxt.OrderNotFound):
            await client.fetch_order("", PAIR, {"clientOrderId": "shy"})
    assert (await client.fetch_order("", PAIR, {"clientOrderId": "shy"}))["status"] == "open"
    assert len(await client.fetch_open_orders(PAIR)) == 1


@pytest.mark.parametrize(("share", "filled"), [(0.5, "0.00500000"), (1.0, None)])
async def test_a_fill_overtakes_the_cancel(
    server: ExchangeServer, client: Any, share: float, filled: str | None
) -> None:
    order = await buy(client, "raced")
    server.faults.add(Kind.CANCEL_RACES_FILL, "DELETE", ORDER, share=share)
    if filled is None:
        with pytest.raises(ccxt.OrderNotFound):
            await client.cancel_order(order["id"], PAIR)
        assert (await client.fetch_order(order["id"], PAIR))["status"] == "closed"
    else:
        cancelled = await client.cancel_order(order["id"], PAIR)
        assert (cancelled["status"], cancelled["filled"]) == ("canceled", filled)


@pytest.mark.parametrize("share", [0.5, 1.0])
async def test_a_fill_is_told_after_the_cancel_was_acknowledged(
    server: ExchangeServer, client: Any, share: float
) -> None:
    order = await buy(client, "late")
    server.faults.add(Kind.FILL_AFTER_CANCEL, "DELETE", ORDER, share=share, count=2)
    cancelled = await client.cancel_order(order["id"], PAIR)
    assert (cancelled["status"], cancelled["filled"]) == ("canceled", "0.00000000")
    assert (await client.fetch_order(order["id"], PAIR))["filled"] == "0.00000000"
    assert (await client.fetch_balance())["total"] == {"BTC": "1", "USDT": "10000"}
    assert await trade_ids(client) == []
    assert await trade_ids(client) == []
    assert len(await trade_ids(client)) == 1
    told = await client.fetch_order(order["id"], PAIR)
    assert told["status"] == ("closed" if share == 1.0 else "canceled")
    assert Decimal(told["filled"]) == Decimal("0.01") * Decimal(str(share))
    assert Decimal((await client.fetch_balance())["total"]["USDT"]) == server.truth.balances()["USDT"]


async def test_hidden_fills_can_be_told_at_once(server: ExchangeServer, client: Any) -> None:
    order = await buy(client, "late")
    server.faults.add(Kind.FILL_AFTER_CANCEL, "DELETE", ORDER)
    await client.cancel_order(order["id"], PAIR)
    assert server.exchange.publish_fills() == 1
    assert len(await trade_ids(client)) == 1


async def test_fills_come_twice_too_late_and_in_a_wrong_order(server: ExchangeServer, client: Any) -> None:
    for number in range(4):
        await buy(client, f"f{number}")
    server.market.trade("BTCUSDT", "48000", "1")
    raw = {"symbol": "BTCUSDT"}

    async def told() -> list[str]:
        return [str(fill["id"]) for fill in await client.privateGetMyTrades(raw)]

    assert await told() == ["1", "2", "3", "4"]
    server.faults.add(Kind.FILLS_DUPLICATE, "GET", FILLS, count=2)
    assert await told() == ["1", "2", "3", "4", "3", "4"]
    server.faults.add(Kind.FILLS_LATE, "GET", FILLS, count=3)
    assert await told() == ["1"]
    server.faults.add(Kind.FILLS_REORDERED, "GET", FILLS)
    disturbed = await told()
    assert disturbed != sorted(disturbed)
    assert sorted(disturbed) == ["1", "2", "3", "4"]
    assert await told() == ["1", "2", "3", "4"]


async def test_open_orders_and_balances_of_before(server: ExchangeServer, client: Any) -> None:
    await buy(client, "one")
    await buy(client, "two")
    server.faults.add(Kind.STALE_OPEN_ORDERS, "GET", "/api/v3/openOrders")
    server.faults.add(Kind.BALANCE_LAG, "GET", "/api/v3/account", count=2)
    assert [order["clientOrderId"] for order in await client.fetch_open_orders(PAIR)] == ["one"]
    assert (await client.fetch_balance())["USDT"]["used"] == "0.00000000"
    assert [order["clientOrderId"] for order in await client.fetch_open_orders(PAIR)] == ["one", "two"]
    assert (await client.fetch_balance())["USDT"]["used"] == "980.00000000"


async def test_a_slow_answer_waits_on_the_given_clock() -> None:
    waited: list[float] = []

    async def delay(seconds: float) -> None:
        waited.append(seconds)

    plan = FaultPlan(rules=[Rule(kind=Kind.SLOW, ms=50, times=None)])
    async with ExchangeServer(faults=plan, delay=delay) as server:
        binance = ccxt.binance(server.ccxt_options())
        await binance.fetch_time()
        await binance.fetch_time()
        await binance.close()
    assert waited == [0.05, 0.05]


async def test_a_movement_of_money_that_the_bot_knows_nothing_of(server: ExchangeServer, client: Any) -> None:
    server.exchange.engine.withdraw("main", "USDT", Decimal(4000))
    server.exchange.views.remember()
    assert (await client.fetch_balance())["USDT"]["free"] == "6000.00000000"


PLAN = json.dumps(
    {
        "seed": 7,
        "rules": [
            {"kind": "drop", "method": "POST", "path": ORDER, "processed": True, "times": None, "probability": 0.3},
            {"kind": "unavailable", "method": "POST", "path": ORDER, "times": None, "probability": 0.3},
            {"kind": "fills_reordered", "path": "*/myTrades", "times": None, "probability": 0.5},
        ],
    }
)


async def run(seed: int | None) -> tuple[str, list[list[str]], dict[str, Decimal]]:
    """Thirty orders under a drawn plan."""
    clock, plan = ManualClock(), FaultPlan.load(PLAN, seed)
    async with ExchangeServer(clock=clock, faults=plan, balances={"USDT": 100_000}) as server:
        server.market.move("BTCUSDT", "50000")
        binance = ccxt.binance(server.ccxt_options())
        for number in range(30):
            try:
                await buy(binance, f"n{number}", "50010" if number % 2 else "49000")
            except (ccxt.NetworkError, ccxt.OperationFailed):
                clock.advance(ms=10)
            await binance.privateGetMyTrades({"symbol": "BTCUSDT"})
        await binance.close()
        return server.journal.digest(), [entry.faults for entry in server.journal.faulty()], server.truth.balances()


async def test_the_same_seed_and_the_same_requests_give_the_same_journal() -> None:
    first, again, other = await run(None), await run(7), await run(8)
    assert first == again
    assert other[0] != first[0]
    assert {fault for faults in first[1] for fault in faults} == {
        "drop after processing",
        "unavailable before processing",
        "fills_reordered",
    }


def test_a_plan_says_what_it_does_not_understand() -> None:
    with pytest.raises(ValueError, match=r"unknown settings \['colour'\]"):
        FaultPlan.load('{"rules": [{"kind": "drop", "colour": 1}]}')
    with pytest.raises(ValueError, match="earthquake"):
        FaultPlan.load('{"rules": [{"kind": "earthquake"}]}')
    with pytest.raises(ValueError, match="has not acted"):
        FaultPlan.load('{"rules": [{"kind": "ban", "processed": true}]}')


def test_a_rule_counts_only_what_it_matches() -> None:
    plan = FaultPlan(rules=[Rule(kind=Kind.DROP, method="POST", path="/o*", where={"side": "BUY"}, skip=1, times=2)])
    met = [
        plan.decide("POST", "/order", {"side": side}).transport is not None
        for side in ("BUY", "SELL", "BUY", "BUY", "BUY")
    ]
    assert met == [False, False, True, True, False]
    assert plan.decide("GET", "/order", {"side": "BUY"}).transport is None
