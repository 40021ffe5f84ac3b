"""The unmodified ccxt class trades with the exchange when nothing goes wrong."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import ccxt.async_support as ccxt
import pytest
from tests.exchange_server import ApiKey, ExchangeServer, ManualClock

if TYPE_CHECKING:
    from tests.exchange_server.matching import FeeMode

pytestmark = pytest.mark.component
PAIR = "BTC/USDT"


def named(client_id: str, **more: Any) -> dict[str, Any]:
    return {"clientOrderId": client_id, **more}


async def test_markets_carry_the_filters_as_exact_text(client: Any) -> None:
    markets = await client.load_markets()
    assert sorted(markets) == [PAIR, "ETH/USDT"]
    market = markets[PAIR]
    assert (market["spot"], market["active"], market["precision"]["price"]) == (True, True, "0.01000000")
    assert market["precision"]["amount"] == "0.00001000"
    assert market["limits"]["cost"]["min"] == "5.00000000"
    assert market["limits"]["market"]["max"] == "100.00000000"


async def test_a_limit_order_locks_fills_in_part_and_gives_back_what_is_cancelled(
    server: ExchangeServer, client: Any
) -> None:
    order = await client.create_order(PAIR, "limit", "buy", "0.01", "49000", named("one"))
    assert (order["status"], order["filled"], order["clientOrderId"]) == ("open", "0.00000000", "one")
    balance = await client.fetch_balance()
    assert (balance["USDT"]["free"], balance["USDT"]["used"]) == ("9510.00000000", "490.00000000")

    server.market.trade("BTCUSDT", "48999", "0.004")
    seen = await client.fetch_order("", PAIR, named("one"))
    assert (seen["status"], seen["filled"], seen["average"], seen["id"]) == ("open", "0.00400000", "49000", order["id"])
    assert [o["clientOrderId"] for o in await client.fetch_open_orders(PAIR)] == ["one"]
    assert [o["clientOrderId"] for o in await client.fetch_open_orders()] == ["one"]

    cancelled = await client.cancel_order(order["id"], PAIR)
    assert (cancelled["status"], cancelled["filled"]) == ("canceled", "0.00400000")
    assert await client.fetch_open_orders(PAIR) == []
    [trade] = await client.fetch_my_trades(PAIR)
    assert (trade["order"], trade["price"], trade["amount"], trade["side"]) == (
        order["id"],
        "49000.00000000",
        "0.00400000",
        "buy",
    )
    assert trade["fee"] == {"cost": "0.00000400", "currency": "BTC"}
    assert server.truth.balances() == {"BTC": Decimal("1.003996"), "USDT": Decimal("9804.00")}
    assert server.truth.locked() == {}


async def test_a_market_order_walks_the_book_and_what_finds_nobody_expires(server: ExchangeServer, client: Any) -> None:
    server.market.book(
        "BTCUSDT",
        [(Decimal(49_990), Decimal("0.1")), (Decimal(49_980), Decimal("0.2"))],
        [(Decimal(50_010), Decimal(1))],
    )
    order = await client.create_order(PAIR, "market", "sell", "0.4", None, named("all"))
    assert (order["status"], order["filled"], order["amount"]) == ("expired", "0.30000000", "0.40000000")
    assert [(t["price"], t["amount"]) for t in order["trades"]] == [
        ("49990.00000000", "0.10000000"),
        ("49980.00000000", "0.20000000"),
    ]
    spent = await client.create_order(PAIR, "market", "buy", "1", None, named("budget", cost="100"))
    assert (spent["status"], spent["filled"]) == ("closed", "0.00199000")


@pytest.mark.parametrize(
    ("time", "status", "filled"), [("IOC", "expired", "0.10000000"), ("FOK", "expired", "0.00000000")]
)
async def test_what_may_not_rest_expires(
    server: ExchangeServer, client: Any, time: str, status: str, filled: str
) -> None:
    server.market.book("BTCUSDT", [(Decimal(49_990), Decimal("0.1"))], [(Decimal(50_010), Decimal(1))])
    order = await client.create_order(PAIR, "limit", "sell", "0.2", "49990", named("x", timeInForce=time))
    assert (order["status"], order["filled"]) == (status, filled)
    assert server.truth.locked() == {}


async def test_a_post_only_order_that_would_take_is_refused(server: ExchangeServer, client: Any) -> None:
    with pytest.raises(ccxt.OrderImmediatelyFillable):
        await client.create_order(PAIR, "limit", "buy", "0.01", "50001", named("maker", postOnly=True))
    resting = await client.create_order(PAIR, "limit", "buy", "0.01", "49000", named("maker", postOnly=True))
    assert (resting["status"], resting["postOnly"], len(server.truth.orders)) == ("open", True, 1)


@pytest.mark.parametrize(("kind", "price"), [("market", None), ("limit", "44000")])
async def test_a_stop_loss_waits_on_the_exchange_and_fills_at_the_gap(
    server: ExchangeServer, client: Any, kind: str, price: str | None
) -> None:
    stop = await client.create_order(PAIR, kind, "sell", "0.1", price, named("stop", stopLossPrice="45000"))
    assert (stop["status"], stop["triggerPrice"]) == ("open", "45000.00000000")
    assert server.truth.locked() == {"BTC": Decimal("0.1")}
    server.market.move("BTCUSDT", "45100")
    assert (await client.fetch_order("", PAIR, named("stop")))["status"] == "open"
    server.market.move("BTCUSDT", "44500")
    fired = await client.fetch_order("", PAIR, named("stop"))
    assert (fired["status"], fired["average"]) == ("closed", "44499.99")


async def test_a_take_profit_fires_upwards(server: ExchangeServer, client: Any) -> None:
    await client.create_order(PAIR, "market", "sell", "0.1", None, named("profit", takeProfitPrice="55000"))
    server.market.move("BTCUSDT", "55000")
    order = server.truth.order("profit")
    assert order is not None
    assert (order.status, order.asked.type) == ("FILLED", "TAKE_PROFIT")


async def test_cancelling_all_leaves_none(server: ExchangeServer, client: Any) -> None:
    for number in range(3):
        await client.create_order(PAIR, "limit", "buy", "0.01", "40000", named(f"o{number}"))
    cancelled = await client.cancel_all_orders(PAIR)
    assert [order["status"] for order in cancelled] == ["canceled"] * 3
    assert server.truth.open_orders == []
    with pytest.raises(ccxt.OrderNotFound):
        await client.cancel_all_orders(PAIR)


async def test_public_data(server: ExchangeServer, client: Any, clock: ManualClock) -> None:
    clock.advance(seconds=60)
    server.market.move("BTCUSDT", "51000")
    assert [row[4] for row in await client.fetch_ohlcv(PAIR, "1m")] == ["50000.00000000", "51000.00000000"]
    assert [row[1:5] for row in await client.fetch_ohlcv(PAIR, "1h")] == [
        ["50000.00000000", "51000.00000000", "50000.00000000", "51000.00000000"]
    ]
    book = await client.fetch_order_book(PAIR)
    assert (book["bids"][0][0], book["asks"][0][0]) == (50999.99, 51000.01)
    assert (await client.fetch_ticker(PAIR))["last"] == "51000.00000000"
    assert (await client.fetch_bids_asks([PAIR]))[PAIR]["bid"] == "50999.99000000"
    assert [trade["price"] for trade in await client.fetch_trades(PAIR)] == ["50000.00000000", "51000.00000000"]
    assert await client.fetch_time() == clock.now_ms()


async def test_a_test_order_is_checked_and_not_placed(server: ExchangeServer, client: Any) -> None:
    await client.create_order(PAIR, "limit", "buy", "0.01", "40000", named("t", test=True))
    with pytest.raises(ccxt.BadRequest, match="NOTIONAL"):
        await client.create_order(PAIR, "limit", "buy", "0.00001", "40000", named("t", test=True))
    assert server.truth.orders == []


async def test_a_key_that_may_withdraw_says_so() -> None:
    keys = [ApiKey("a" * 64, "x"), ApiKey("b" * 64, "y", may_withdraw=True)]
    async with ExchangeServer(keys=keys) as server:
        for key in keys:
            binance = ccxt.binance(server.ccxt_options(key))
            told = await binance.sapiGetAccountApiRestrictions()
            await binance.close()
            assert (told["enableWithdrawals"], told["enableSpotAndMarginTrading"]) == (key.may_withdraw, True)


@pytest.mark.parametrize(
    ("mode", "btc", "usdt"), [("received", "1.0999", "5000"), ("quote", "1.1", "4995")], ids=["received", "quote"]
)
async def test_fees_in_what_was_received_or_in_quote(mode: FeeMode, btc: str, usdt: str) -> None:
    async with ExchangeServer(balances={"USDT": 10_000, "BTC": 1}, fee_mode=mode) as server:
        server.market.book("BTCUSDT", [], [(Decimal(50_000), Decimal(1))])
        binance = ccxt.binance(server.ccxt_options())
        await binance.create_order(PAIR, "limit", "buy", "0.1", "50000", named("fee"))
        await binance.close()
        assert server.truth.balances() == {"BTC": Decimal(btc), "USDT": Decimal(usdt)}


async def test_the_server_comes_back_with_nothing_forgotten(server: ExchangeServer, client: Any) -> None:
    await client.create_order(PAIR, "limit", "buy", "0.01", "40000", named("kept"))
    url = server.url
    await server.restart()
    assert server.url == url
    assert (await client.fetch_order("", PAIR, named("kept")))["status"] == "open"
