"""Everything that the exchange checks before an order meets the market."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from . import errors
from .amounts import ZERO
from .instruments import ORDER_TYPES
from .orders import PRICED, STOPS, TIMED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from .market import Market
    from .orders import NewOrder, Order

CLIENT_ID = r"^[\.A-Z\:/a-z0-9_-]{1,36}$"
TIMES = frozenset({"GTC", "IOC", "FOK"})


def check_new_order(asked: NewOrder, market: Market, mine: Sequence[Order]) -> None:
    """Raise the refusal that Binance would answer with."""
    _check_form(asked)
    if market.instrument.status != "TRADING":
        raise errors.refused("Market is closed.")
    _check_filters(asked, market)
    _check_counts(asked, market, mine)
    if any(order.client_id == asked.client_id for order in mine):
        raise errors.refused("Duplicate order sent.")
    if asked.type in STOPS and would_trigger(asked, market.last):
        raise errors.refused("Stop price would trigger immediately.")


def would_trigger(asked: NewOrder, last: Decimal) -> bool:
    """A stop-loss fires against its side, a take-profit with it."""
    if last == ZERO:
        return False
    upwards = (asked.side == "BUY") == asked.type.startswith("STOP_LOSS")
    return last >= asked.stop_price if upwards else last <= asked.stop_price


def _check_form(asked: NewOrder) -> None:
    if asked.type not in ORDER_TYPES:
        raise errors.ApiError(-1116, "Invalid orderType.")
    if asked.side not in {"BUY", "SELL"}:
        raise errors.ApiError(-1117, "Invalid side.")
    if not re.fullmatch(CLIENT_ID, asked.client_id):
        raise errors.illegal("newClientOrderId", CLIENT_ID)
    if asked.type in TIMED and asked.time_in_force not in TIMES:
        raise errors.ApiError(-1115, "Invalid timeInForce.")
    if asked.type in PRICED and asked.price == ZERO:
        raise errors.missing("price")
    if asked.type not in PRICED and asked.price != ZERO:
        raise errors.not_required("price")
    if asked.type in STOPS and asked.stop_price == ZERO:
        raise errors.missing("stopPrice")
    if asked.type not in STOPS and asked.stop_price != ZERO:
        raise errors.not_required("stopPrice")
    by_quote = asked.type == "MARKET" and asked.quote_quantity != ZERO
    if by_quote == (asked.quantity != ZERO):
        raise errors.not_required("quantity") if by_quote else errors.missing("quantity")


def _check_filters(asked: NewOrder, market: Market) -> None:
    instrument = market.instrument
    unpriced = asked.type not in PRICED
    for price in (asked.price, asked.stop_price):
        if price != ZERO:
            instrument.check_price(price)
    if asked.quantity != ZERO:
        instrument.check_quantity(asked.quantity, market=unpriced)
    if asked.price != ZERO:
        instrument.check_collar(asked.price, market.last)
    reference = asked.price or asked.stop_price or market.last
    notional = asked.quote_quantity or asked.quantity * reference
    if reference != ZERO or asked.quote_quantity != ZERO:
        instrument.check_notional(notional, market=unpriced)


def _check_counts(asked: NewOrder, market: Market, mine: Sequence[Order]) -> None:
    here = [order for order in mine if order.symbol == asked.symbol]
    if len(here) >= market.instrument.max_orders:
        raise errors.filter_failure("MAX_NUM_ORDERS")
    if asked.type in STOPS and sum(order.waits_for_trigger for order in here) >= market.instrument.max_stops:
        raise errors.filter_failure("MAX_NUM_ALGO_ORDERS")
