"""An empty list of open orders is believed only when the account's balances were read and do not contradict it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from tradingbot.ports.venue import OpenOrder, Unavailable
from tradingbot.venues.ccxt.gateway import Reply
from tradingbot.venues.ccxt.limits import Lane, Wait
from tradingbot.venues.ccxt.markets import Markets
from tradingbot.venues.ccxt.outcome import Evidence
from tradingbot.venues.ccxt.reader import Reader

if TYPE_CHECKING:
    from tradingbot.venues.ccxt.gateway import Gateway

ORDER = {
    "id": "1",
    "clientOrderId": "tb-1",
    "symbol": "BTC/USDT",
    "side": "buy",
    "type": "limit",
    "status": "open",
    "amount": "0.01",
    "filled": "0",
    "info": {},
}


def answer(found: Any) -> Reply:
    return Reply(answer=found, evidence=Evidence(sent=True, status=200, shape="list" if found == [] else "dict"))


def account(free: str = "100", used: str = "0") -> Reply:
    return answer({"USDT": {"free": free, "used": used}, "info": {"balances": []}})


NO_ORDERS, ONE_ORDER = answer([]), Reply(answer=[ORDER], evidence=Evidence(sent=True, status=200, shape="list"))


class Exchange:
    """A gateway that gives one answer for each question."""

    exchange = "binance"

    def __init__(self, orders: Reply, balances: Reply) -> None:
        self.replies = {"fetch_open_orders": orders, "fetch_balance": balances}
        self.asked: list[tuple[str, Lane]] = []

    async def call(self, method: str, *_: Any, lane: Lane, weight: int) -> Reply:
        assert weight == {"fetch_open_orders": 100, "fetch_balance": 0}[method], "both are paid with the first"
        self.asked.append((method, lane))
        return self.replies[method]


def reader(orders: Reply, balances: Reply) -> tuple[Reader, Exchange]:
    exchange = Exchange(orders, balances)
    found = Reader(cast("Gateway", exchange))
    found.markets = Markets(gone=("BTC/USDT",))
    return found, exchange


UNREADABLE = {
    "no answer": Reply(error=TimeoutError("it took too long"), evidence=Evidence(sent=True)),
    "the exchange wants silence": Reply(wait=Wait("RATE_LIMITED", 30.0)),
    "the budget is spent": Reply(wait=Wait("RATE_BUDGET", 5.0)),
    "a server's page": Reply(answer={}, evidence=Evidence(sent=True, status=503)),
    "no balances in it": answer({"info": {}}),
    "an amount that is none": account(free="NaN"),
}


@pytest.mark.parametrize("balances", UNREADABLE.values(), ids=UNREADABLE)
async def test_an_empty_list_is_no_answer_where_the_balances_cannot_be_read(balances: Reply) -> None:
    found, exchange = reader(NO_ORDERS, balances)
    told = await found.listing(None, Lane.STOP)
    assert isinstance(told, Unavailable)
    assert told.cause.startswith("no open order is listed, and the balances that could contradict it: ")
    assert exchange.asked == [("fetch_open_orders", Lane.STOP), ("fetch_balance", Lane.STOP)]


async def test_an_empty_list_is_no_answer_while_money_is_set_aside() -> None:
    found, _ = reader(NO_ORDERS, account(free="60", used="40"))
    assert await found.listing(None, Lane.STOP) == Unavailable(
        "no open order is listed, but money is set aside for some"
    )


async def test_an_empty_list_is_believed_when_no_money_is_set_aside() -> None:
    found, _ = reader(NO_ORDERS, account())
    assert await found.listing(None, Lane.STOP) == []


async def test_a_list_with_orders_needs_no_balances() -> None:
    found, exchange = reader(ONE_ORDER, UNREADABLE["no answer"])
    told = await found.listing(None, Lane.STOP)
    assert isinstance(told, list)
    assert [(type(order), order.client_id) for order in told] == [(OpenOrder, "tb-1")]
    assert exchange.asked == [("fetch_open_orders", Lane.STOP)]
