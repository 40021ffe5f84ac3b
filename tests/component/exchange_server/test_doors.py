"""Keys, signatures, clocks, limits and filters: what is refused, with which words."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import aiohttp
import ccxt.async_support as ccxt
import pytest
from tests.exchange_server import ApiKey, ExchangeServer, Instrument, Limits, ManualClock

pytestmark = pytest.mark.component
PAIR = "BTC/USDT"


async def refusal(server: ExchangeServer, key: ApiKey) -> str:
    binance = ccxt.binance(server.ccxt_options(key, options={"fetchCurrencies": False}))
    try:
        await binance.fetch_balance()
    except ccxt.BaseError as error:
        return str(error)
    finally:
        await binance.close()
    return "accepted"


async def test_a_key_is_known_has_the_right_length_and_signs_with_its_secret(server: ExchangeServer) -> None:
    good = server.keys[0]
    assert await refusal(server, good) == "accepted"
    assert "-2014" in await refusal(server, ApiKey("short", good.secret))
    assert "-2015" in await refusal(server, ApiKey("z" * 64, good.secret))
    assert "-1022" in await refusal(server, ApiKey(good.key, "another secret"))


async def test_a_key_without_trading_reads_only() -> None:
    async with ExchangeServer(keys=[ApiKey("r" * 64, "s", may_trade=False)], balances={"USDT": 100}) as server:
        binance = ccxt.binance(server.ccxt_options())
        assert (await binance.fetch_balance())["USDT"]["free"] == "100.00000000"
        with pytest.raises(ccxt.BaseError, match="-2015"):
            await binance.create_order(PAIR, "limit", "buy", "0.001", "40000")
        await binance.close()


@pytest.mark.parametrize(("ahead_ms", "accepted"), [(999, True), (1000, False), (-10_000, True), (-10_001, False)])
async def test_a_request_is_neither_from_the_future_nor_too_old(
    server: ExchangeServer, client: Any, clock: ManualClock, ahead_ms: int, accepted: bool
) -> None:
    await client.load_markets()
    client.nonce = lambda: clock.now_ms() + ahead_ms
    if accepted:
        await client.fetch_balance()
    else:
        with pytest.raises(ccxt.InvalidNonce):
            await client.fetch_balance()


async def test_ccxt_finds_the_difference_of_the_clocks(server: ExchangeServer, clock: ManualClock) -> None:
    options = server.ccxt_options()
    del options["nonce"]
    binance = ccxt.binance(options)
    await binance.load_time_difference()
    clock.advance(seconds=2)
    await binance.fetch_balance()
    await binance.close()


async def test_weight_is_counted_told_and_limited(clock: ManualClock) -> None:
    limits = Limits(weight_per_minute=10, warnings_before_ban=2)
    async with ExchangeServer(clock=clock, limits=limits) as server, aiohttp.ClientSession() as session:
        url = f"{server.url}/api/v3/klines?symbol=BTCUSDT&interval=1m"
        for expected in ("2", "4", "6", "8", "10"):
            async with session.get(url) as answer:
                assert (answer.status, answer.headers["X-MBX-USED-WEIGHT-1M"]) == (200, expected)
        clock.advance(seconds=20)
        statuses = []
        for _ in range(3):
            async with session.get(url) as answer:
                statuses.append((answer.status, answer.headers["Retry-After"]))
        assert statuses == [(429, "40"), (429, "40"), (418, "120")]
        clock.advance(seconds=119)
        async with session.get(url) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (418, "1")
        clock.advance(seconds=1)
        async with session.get(url) as answer:
            assert answer.status == 200
        told = []
        for _ in range(7):
            async with session.get(url) as answer:
                told.append((answer.status, answer.headers.get("Retry-After")))
        assert told[-1] == (418, "240"), "the second ban is twice as long"


async def test_orders_are_limited_apart_from_weight(clock: ManualClock) -> None:
    async with ExchangeServer(clock=clock, limits=Limits(orders_per_10_seconds=2), balances={"USDT": 1000}) as server:
        binance = ccxt.binance(server.ccxt_options())
        for _ in range(2):
            await binance.create_order(PAIR, "limit", "buy", "0.001", "40000")
        with pytest.raises(ccxt.DDoSProtection, match="-1015"):
            await binance.create_order(PAIR, "limit", "buy", "0.001", "40000")
        await binance.cancel_order("1", PAIR)
        clock.advance(seconds=10)
        await binance.create_order(PAIR, "limit", "buy", "0.001", "40000")
        await binance.close()


ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "price": "40000",
}


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"price": "40000.001"}, -1013, "PRICE_FILTER"),
        ({"price": "2000000"}, -1013, "PRICE_FILTER"),
        ({"quantity": "0.000001"}, -1013, "LOT_SIZE"),
        ({"quantity": "0.010000000001"}, -1111, "Precision"),
        ({"quantity": "1e3"}, -1100, "quantity"),
        ({"quantity": "NaN"}, -1100, "quantity"),
        ({"quantity": "0"}, -1013, "quantity"),
        ({"price": "9999"}, -1013, "PERCENT_PRICE_BY_SIDE"),
        ({"price": "400000"}, -1013, "PERCENT_PRICE_BY_SIDE"),
        ({"quantity": "0.0001"}, -1013, "NOTIONAL"),
        ({"quantity": "1"}, -2010, "insufficient balance"),
        ({"symbol": "DOGEUSDT"}, -1121, "Invalid symbol"),
        ({"side": "HOLD"}, -1117, "Invalid side"),
        ({"type": "ICEBERG", "timeInForce": ""}, -1106, "timeInForce"),
        ({"timeInForce": "GTX"}, -1115, "timeInForce"),
        ({"timeInForce": ""}, -1102, "timeInForce"),
        ({"newClientOrderId": "a b"}, -1100, "newClientOrderId"),
        ({"newClientOrderId": "a" * 37}, -1100, "newClientOrderId"),
        ({"stopPrice": "1000"}, -1106, "stopPrice"),
        ({"symbol": "ETHUSDT"}, -2010, "Market is closed."),
    ],
)
async def test_a_bad_order_is_refused_with_a_reason(change: dict[str, str], code: int, words: str) -> None:
    instruments = [Instrument("BTC", "USDT"), Instrument("ETH", "USDT", status="BREAK")]
    async with ExchangeServer(instruments=instruments, balances={"USDT": 10_000}) as server:
        server.market.move("BTCUSDT", "50000")
        binance = ccxt.binance(server.ccxt_options())
        with pytest.raises(ccxt.BaseError) as caught:
            await binance.privatePostOrder({**ORDER, **change})
        await binance.close()
        assert words in str(caught.value)
        assert server.journal.of("POST", "/api/v3/order")[0].code == code
        assert server.truth.orders == []


async def test_a_client_id_is_unique_among_open_orders_only(server: ExchangeServer, client: Any) -> None:
    await client.create_order(PAIR, "limit", "buy", "0.01", "49000", {"clientOrderId": "same"})
    with pytest.raises(ccxt.InvalidOrder, match="Duplicate order sent"):
        await client.create_order(PAIR, "limit", "buy", "0.01", "49000", {"clientOrderId": "same"})
    server.market.trade("BTCUSDT", "48000", "1")
    await client.create_order(PAIR, "limit", "buy", "0.01", "47000", {"clientOrderId": "same"})
    assert [order.status for order in server.truth.orders] == ["FILLED", "NEW"]
    assert (await client.fetch_order("", PAIR, {"clientOrderId": "same"}))["id"] == "2"


async def test_so_many_open_orders_and_no_more() -> None:
    instrument = Instrument("BTC", "USDT", max_orders=3, max_stops=1)
    async with ExchangeServer(instruments=[instrument], balances={"USDT": 10_000, "BTC": 1}) as server:
        server.market.move("BTCUSDT", "50000")
        binance = ccxt.binance(server.ccxt_options())
        stop = {"stopLossPrice": "45000"}
        await binance.create_order(PAIR, "market", "sell", "0.1", None, stop)
        with pytest.raises(ccxt.BadRequest, match="MAX_NUM_ALGO_ORDERS"):
            await binance.create_order(PAIR, "market", "sell", "0.1", None, stop)
        for _ in range(2):
            await binance.create_order(PAIR, "limit", "buy", "0.01", "40000")
        with pytest.raises(ccxt.BadRequest, match="MAX_NUM_ORDERS"):
            await binance.create_order(PAIR, "limit", "buy", "0.01", "40000")
        await binance.close()


async def test_a_stop_behind_the_market_would_fire_at_once(client: Any) -> None:
    with pytest.raises(ccxt.OrderImmediatelyFillable):
        await client.create_order(PAIR, "market", "sell", "0.1", None, {"stopLossPrice": "50000"})


async def test_two_accounts_do_not_see_each_other() -> None:
    keys = [ApiKey("a" * 64, "x", account="one"), ApiKey("b" * 64, "y", account="two")]
    async with ExchangeServer(keys=keys, balances={"USDT": 1000}) as server:
        first, second = (ccxt.binance(server.ccxt_options(key)) for key in keys)
        await first.create_order(PAIR, "limit", "buy", "0.01", "40000", {"clientOrderId": "mine"})
        with pytest.raises(ccxt.OrderNotFound):
            await second.fetch_order("", PAIR, {"clientOrderId": "mine"})
        assert await second.fetch_open_orders(PAIR) == []
        with pytest.raises(ccxt.InsufficientFunds):
            await second.create_order(PAIR, "limit", "buy", "0.01", "40000")
        await first.close()
        await second.close()
        assert server.truth.balances("one") == {"USDT": Decimal(1000)}
