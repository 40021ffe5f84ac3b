"""Signed routes: orders, fills, balances and what the key may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import errors
from .amounts import ZERO, plain
from .faults import Kind
from .views import cancelled_json, fill_json, order_json, placed_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .calls import Call
    from .orders import Order

MOST = 1000
USUAL = 500


def _named(call: Call) -> Order | None:
    order_id, client_id = call.params.get("orderId"), call.params.get("origClientOrderId")
    if not order_id and not client_id:
        msg = "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
        raise errors.ApiError(-1102, msg)
    return call.exchange.find(call.account, call.symbol(), order_id, client_id)


def _may_trade(call: Call) -> None:
    if call.key is not None and not call.key.may_trade:
        raise errors.ApiError(-2015, "Invalid API-key, IP, or permissions for action.", 401)


def place_order(call: Call) -> object:
    _may_trade(call)
    asked = call.new_order()
    how_much = call.params.get("newOrderRespType", "FULL" if asked.type in {"LIMIT", "MARKET"} else "ACK")
    return placed_json(call.exchange.place(asked, call.struck), how_much)


def test_order(call: Call) -> object:
    _may_trade(call)
    call.exchange.engine.validate(call.new_order())
    return {}


def get_order(call: Call) -> object:
    found = _named(call)
    if found is None:
        raise errors.no_such_order()
    return order_json(found)


def cancel_order(call: Call) -> object:
    _may_trade(call)
    found = _named(call)
    if found is None or not found.is_open:
        raise errors.nothing_to_cancel()
    own_id = call.exchange.cancel(found, call.struck)
    return cancelled_json(found, call.params.get("newClientOrderId", own_id))


def open_orders(call: Call) -> object:
    stale = call.struck.get(Kind.STALE_OPEN_ORDERS)
    return call.exchange.views.open_orders(call.account, call.optional_symbol(), stale.count if stale else 0)


def cancel_open_orders(call: Call) -> object:
    _may_trade(call)
    mine = call.exchange.engine.open_orders(call.account, call.symbol())
    if not mine:
        raise errors.nothing_to_cancel()
    return [cancelled_json(order, call.exchange.cancel(order, call.struck)) for order in mine]


def all_orders(call: Call) -> object:
    symbol, first = call.symbol(), call.integer("orderId", 0)
    start, end = call.integer("startTime", 0), call.integer("endTime", 2**62)
    mine = [
        order
        for order in call.exchange.engine.orders.values()
        if (order.account, order.symbol) == (call.account, symbol)
        and not order.invisible_lookups
        and order.order_id >= first
        and start <= order.created <= end
    ]
    limit = min(call.integer("limit", USUAL), MOST)
    return [order_json(order) for order in (mine[:limit] if first or start else mine[-limit:])]


def my_trades(call: Call) -> object:
    symbol = call.symbol()
    start, end = call.integer("startTime", 0), call.integer("endTime", 2**62)
    first, order_id = call.integer("fromId", 0), call.integer("orderId", 0)
    told = [
        fill
        for fill in call.exchange.fills(call.account, symbol)
        if fill.trade_id >= first and start <= fill.ts <= end and order_id in {0, fill.order_id}
    ]
    limit = min(call.integer("limit", USUAL), MOST)
    chosen = told[:limit] if first or start else told[-limit:]
    return _disturbed(call, [fill_json(fill) for fill in chosen])


def _disturbed(call: Call, told: list[dict[str, object]]) -> Sequence[object]:
    """Fills as they come when the exchange has a bad day: too late, twice, in a wrong order."""
    late, twice = call.struck.get(Kind.FILLS_LATE), call.struck.get(Kind.FILLS_DUPLICATE)
    if late is not None:
        told = told[: -late.count]
    if twice is not None:
        told = told + told[-twice.count :]
    if call.struck.get(Kind.FILLS_REORDERED) is not None:
        return [told[index] for index in call.exchange.faults.order_of(len(told), len(told))]
    return told


def account(call: Call) -> object:
    lag = call.struck.get(Kind.BALANCE_LAG)
    engine, key = call.exchange.engine, call.key
    balances = call.exchange.views.balances(call.account, lag.count if lag else 0)
    if call.params.get("omitZeroBalances") == "true":
        balances = [row for row in balances if (row["free"], row["locked"]) != (plain(ZERO), plain(ZERO))]
    return {
        "makerCommission": int(engine.maker_fee * 10_000),
        "takerCommission": int(engine.taker_fee * 10_000),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": _rates(call),
        "canTrade": bool(key and key.may_trade),
        "canWithdraw": True,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": call.exchange.clock.now_ms(),
        "accountType": "SPOT",
        "balances": balances,
        "permissions": ["SPOT"],
        "uid": 1,
    }


def _rates(call: Call) -> dict[str, str]:
    engine = call.exchange.engine
    return {
        "maker": plain(engine.maker_fee),
        "taker": plain(engine.taker_fee),
        "buyer": plain(ZERO),
        "seller": plain(ZERO),
    }


def commission(call: Call) -> object:
    none = dict.fromkeys(("maker", "taker", "buyer", "seller"), plain(ZERO))
    return {
        "symbol": call.symbol(),
        "standardCommission": _rates(call),
        "taxCommission": none,
        "discount": {"enabledForAccount": False, "enabledForSymbol": False, "discountAsset": "", "discount": "0"},
    }


def trade_fees(call: Call) -> object:
    engine, wanted = call.exchange.engine, call.optional_symbol()
    return [
        {"symbol": symbol, "makerCommission": plain(engine.maker_fee), "takerCommission": plain(engine.taker_fee)}
        for symbol in engine.markets
        if wanted in {None, symbol}
    ]


def restrictions(call: Call) -> object:
    return call.key.restrictions(call.exchange.started_ms) if call.key else {}


def coins(call: Call) -> object:
    """Every asset; deposits and withdrawals are no part of this exchange, so no network is named."""
    names = {name for m in call.exchange.engine.markets.values() for name in (m.instrument.base, m.instrument.quote)}
    told = {str(row["asset"]): row for row in call.exchange.views.balances(call.account)}
    nothing = {"free": plain(ZERO), "locked": plain(ZERO)}
    return [
        {
            "coin": name,
            "name": name,
            "free": told.get(name, nothing)["free"],
            "locked": told.get(name, nothing)["locked"],
            "freeze": "0",
            "withdrawing": "0",
            "ipoing": "0",
            "ipoable": "0",
            "storage": "0",
            "depositAllEnable": False,
            "withdrawAllEnable": False,
            "isLegalMoney": False,
            "trading": True,
            "networkList": [],
        }
        for name in sorted(names)
    ]


def nothing(_: Call) -> object:
    """An empty list: margin pairs and other things that this exchange does not have."""
    return []
