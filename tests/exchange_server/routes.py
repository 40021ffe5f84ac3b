"""Every path that is served."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import public, trading

if TYPE_CHECKING:
    from collections.abc import Callable

    from .calls import Call


@dataclass(frozen=True, slots=True)
class Route:
    """A handler, whether the request must be signed, and whether it counts as an order."""

    handle: Callable[[Call], object]
    signed: bool = False
    is_order: bool = False


API = "/api/v3"
SAPI = "/sapi/v1"

ROUTES: dict[tuple[str, str], Route] = {
    ("GET", f"{API}/ping"): Route(public.ping),
    ("GET", f"{API}/time"): Route(public.server_time),
    ("GET", f"{API}/exchangeInfo"): Route(public.exchange_info),
    ("GET", f"{API}/depth"): Route(public.depth),
    ("GET", f"{API}/klines"): Route(public.klines),
    ("GET", f"{API}/trades"): Route(public.trades),
    ("GET", f"{API}/aggTrades"): Route(public.aggregate_trades),
    ("GET", f"{API}/ticker/24hr"): Route(public.ticker_24h),
    ("GET", f"{API}/ticker/bookTicker"): Route(public.ticker_book),
    ("GET", f"{API}/ticker/price"): Route(public.ticker_price),
    ("GET", f"{API}/account"): Route(trading.account, signed=True),
    ("GET", f"{API}/account/commission"): Route(trading.commission, signed=True),
    ("POST", f"{API}/order"): Route(trading.place_order, signed=True, is_order=True),
    ("POST", f"{API}/order/test"): Route(trading.test_order, signed=True),
    ("GET", f"{API}/order"): Route(trading.get_order, signed=True),
    ("DELETE", f"{API}/order"): Route(trading.cancel_order, signed=True),
    ("GET", f"{API}/openOrders"): Route(trading.open_orders, signed=True),
    ("DELETE", f"{API}/openOrders"): Route(trading.cancel_open_orders, signed=True),
    ("GET", f"{API}/allOrders"): Route(trading.all_orders, signed=True),
    ("GET", f"{API}/myTrades"): Route(trading.my_trades, signed=True),
    ("GET", f"{SAPI}/system/status"): Route(public.system_status),
    ("GET", f"{SAPI}/account/apiRestrictions"): Route(trading.restrictions, signed=True),
    ("GET", f"{SAPI}/capital/config/getall"): Route(trading.coins, signed=True),
    ("GET", f"{SAPI}/asset/tradeFee"): Route(trading.trade_fees, signed=True),
    ("GET", f"{SAPI}/margin/allPairs"): Route(trading.nothing),
    ("GET", f"{SAPI}/margin/isolated/allPairs"): Route(trading.nothing),
    ("GET", "/fapi/v1/exchangeInfo"): Route(public.no_contracts),
    ("GET", "/dapi/v1/exchangeInfo"): Route(public.no_contracts),
}
