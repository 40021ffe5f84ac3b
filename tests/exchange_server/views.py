"""What the exchange tells: the truth, minus what is hidden, and older versions of it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .amounts import ZERO, plain
from .orders import TIMED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from .matching import Engine
    from .orders import Fill, Order

REMEMBERED = 32
Json = dict[str, object]
State = tuple[str, "Decimal", int, bool]


def order_json(order: Order) -> Json:
    """An order as `GET /api/v3/order` tells it."""
    told = order.told_fills
    executed = sum((fill.quantity for fill in told), ZERO)
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "price": plain(order.price),
        "origQty": plain(order.quantity),
        "executedQty": plain(executed),
        "cummulativeQuoteQty": plain(sum((fill.quote for fill in told), ZERO)),
        "status": order.told_status or order.status,
        "timeInForce": order.asked.time_in_force if order.asked.type in TIMED else "GTC",
        "type": order.asked.type,
        "side": order.side,
        "stopPrice": plain(order.asked.stop_price),
        "icebergQty": plain(ZERO),
        "time": order.created,
        "updateTime": order.updated,
        "isWorking": not order.waits_for_trigger,
        "workingTime": -1 if order.waits_for_trigger else order.created,
        "origQuoteOrderQty": plain(order.asked.quote_quantity),
        "selfTradePreventionMode": "NONE",
    }


def placed_json(order: Order, how_much: str) -> Json:
    """The answer to a new order: ACK, RESULT or FULL."""
    whole = order_json(order)
    ack = {name: whole[name] for name in ("symbol", "orderId", "orderListId", "clientOrderId")}
    ack["transactTime"] = order.updated
    if how_much == "ACK":
        return ack
    for untold in ("time", "updateTime", "isWorking", "icebergQty"):
        del whole[untold]
    result = {**whole, **ack}
    if how_much == "FULL":
        result["fills"] = [
            {
                "price": plain(fill.price),
                "qty": plain(fill.quantity),
                "commission": plain(fill.commission),
                "commissionAsset": fill.commission_asset,
                "tradeId": fill.trade_id,
            }
            for fill in order.told_fills
        ]
    return result


def cancelled_json(order: Order, cancel_id: str) -> Json:
    """The answer to a cancel: its own client id, and the order's as the original one."""
    answer = placed_json(order, "RESULT")
    return {**answer, "origClientOrderId": order.client_id, "clientOrderId": cancel_id}


def fill_json(fill: Fill) -> Json:
    return {
        "symbol": fill.symbol,
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "orderListId": -1,
        "price": plain(fill.price),
        "qty": plain(fill.quantity),
        "quoteQty": plain(fill.quote),
        "commission": plain(fill.commission),
        "commissionAsset": fill.commission_asset,
        "time": fill.ts,
        "isBuyer": fill.side == "BUY",
        "isMaker": fill.maker,
        "isBestMatch": True,
    }


class Views:
    """Answers about orders and balances, now and some changes ago."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._cache: dict[int, tuple[State, Json]] = {}
        self._past: deque[tuple[list[tuple[str, Json]], Mapping[str, list[Json]]]] = deque(maxlen=REMEMBERED)
        self._accounts: list[str] = []
        self.remember()

    def know(self, account: str) -> None:
        if account not in self._accounts:
            self._accounts.append(account)
        self.remember()

    def remember(self) -> None:
        """Keep how things stand after a change."""
        orders = [(o.account, self._told(o)) for o in self._engine.open_orders() if not o.invisible_lookups]
        self._past.append((orders, {account: self._balances(account) for account in self._accounts}))

    def open_orders(self, account: str, symbol: str | None, ago: int = 0) -> list[Json]:
        orders, _ = self._at(ago)
        return [o for owner, o in orders if owner == account and symbol in {None, o["symbol"]}]

    def balances(self, account: str, ago: int = 0) -> list[Json]:
        return self._at(ago)[1][account]

    def _at(self, ago: int) -> tuple[list[tuple[str, Json]], Mapping[str, list[Json]]]:
        return self._past[max(0, len(self._past) - 1 - ago)]

    def _told(self, order: Order) -> Json:
        state = (order.status, order.executed, len(order.told_fills), order.triggered)
        known = self._cache.get(order.order_id)
        if known is None or known[0] != state:
            known = (state, order_json(order))
            self._cache[order.order_id] = known
        return known[1]

    def _balances(self, account: str) -> list[Json]:
        ledger = self._engine.ledger
        told: list[Json] = []
        hidden = [fill for fill in self._engine.fills if fill.hidden and fill.account == account]
        for asset in ledger.assets(account):
            free = ledger.free(account, asset)
            for fill in hidden:
                instrument = self._engine.market(fill.symbol).instrument
                sign = 1 if fill.side == "BUY" else -1
                free -= sign * fill.quantity if asset == instrument.base else ZERO
                free += sign * fill.quote if asset == instrument.quote else ZERO
                free += fill.commission if asset == fill.commission_asset else ZERO
            told.append({"asset": asset, "free": plain(free), "locked": plain(ledger.locked(account, asset))})
        return told
