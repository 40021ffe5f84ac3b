"""Rate limits: request weight a minute, orders in ten seconds and a day, bans that grow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

MINUTE_MS = 60_000
TEN_SECONDS_MS = 10_000
DAY_MS = 86_400_000
FIRST_BAN_MS = 2 * MINUTE_MS
LONGEST_BAN_MS = 3 * DAY_MS

WEIGHTS: dict[tuple[str, str], int] = {
    ("GET", "/api/v3/exchangeInfo"): 20,
    ("GET", "/api/v3/account"): 20,
    ("GET", "/api/v3/account/commission"): 20,
    ("GET", "/api/v3/allOrders"): 20,
    ("GET", "/api/v3/myTrades"): 20,
    ("GET", "/api/v3/order"): 4,
    ("GET", "/api/v3/trades"): 25,
    ("GET", "/api/v3/aggTrades"): 4,
    ("GET", "/api/v3/klines"): 2,
}
OPEN_ORDERS = (6, 80)
BY_SYMBOL: dict[str, tuple[int, int]] = {
    "/api/v3/openOrders": OPEN_ORDERS,
    "/api/v3/ticker/24hr": (2, 80),
    "/api/v3/ticker/bookTicker": (2, 4),
    "/api/v3/ticker/price": (2, 4),
}
DEPTH = ((100, 5), (500, 25), (1000, 50), (5000, 250))


@dataclass(slots=True)
class Limits:
    """What is allowed. The defaults are Binance's."""

    weight_per_minute: int = 6000
    orders_per_10_seconds: int = 100
    orders_per_day: int = 200_000
    warnings_before_ban: int = 5


def weight(method: str, path: str, params: Mapping[str, str]) -> int:
    """What a request costs."""
    if path == "/api/v3/depth":
        limit = int(params.get("limit", "100")) if params.get("limit", "100").isdigit() else DEPTH[-1][0]
        return next((cost for most, cost in DEPTH if limit <= most), DEPTH[-1][1])
    if method == "GET" and path in BY_SYMBOL:
        one, every = BY_SYMBOL[path]
        return one if "symbol" in params else every
    return WEIGHTS.get((method, path), 1)


class Limiter:
    """Counts one client: the server is small enough to have one address."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.banned_until_ms = 0
        self._bans = 0
        self._warnings = 0
        self._used: dict[str, tuple[int, int]] = {}

    def ban(self, now_ms: int, seconds: int) -> None:
        """Answer 418 to everything until then."""
        self.banned_until_ms = now_ms + seconds * 1000

    def admit(self, now_ms: int, cost: int, *, is_order: bool) -> None:
        """Count a request, or refuse it; who does not listen is banned, for longer each time."""
        if now_ms < self.banned_until_ms:
            raise self._banned(now_ms)
        if self._add("weight", MINUTE_MS, now_ms, cost) > self.limits.weight_per_minute:
            self._warnings += 1
            if self._warnings > self.limits.warnings_before_ban:
                length = min(FIRST_BAN_MS * 2**self._bans, LONGEST_BAN_MS)
                self._bans += 1
                self._warnings = 0
                self.banned_until_ms = now_ms + length
                raise self._banned(now_ms)
            raise errors.ApiError(
                -1003,
                f"Too much request weight used; current limit is {self.limits.weight_per_minute} request weight per "
                "1 MINUTE. Please use WebSocket Streams for live updates to avoid polling the API.",
                429,
                {"Retry-After": str(_seconds_left(now_ms, MINUTE_MS))},
            )
        if is_order:
            for name, window, most in (
                ("10S", TEN_SECONDS_MS, self.limits.orders_per_10_seconds),
                ("1D", DAY_MS, self.limits.orders_per_day),
            ):
                if self._add(name, window, now_ms, 1) > most:
                    raise errors.ApiError(
                        -1015,
                        f"Too many new orders; current limit is {most} orders per {name}.",
                        429,
                        {"Retry-After": str(_seconds_left(now_ms, window))},
                    )

    def used(self, name: str, window_ms: int, now_ms: int) -> int:
        window, count = self._used.get(name, (0, 0))
        return count if window == now_ms // window_ms else 0

    def headers(self, now_ms: int) -> dict[str, str]:
        used = str(self.used("weight", MINUTE_MS, now_ms))
        return {
            "X-MBX-USED-WEIGHT": used,
            "X-MBX-USED-WEIGHT-1M": used,
            "X-MBX-ORDER-COUNT-10S": str(self.used("10S", TEN_SECONDS_MS, now_ms)),
            "X-MBX-ORDER-COUNT-1D": str(self.used("1D", DAY_MS, now_ms)),
        }

    def _add(self, name: str, window_ms: int, now_ms: int, cost: int) -> int:
        if name == "weight" and self.used(name, window_ms, now_ms) == 0:
            self._warnings = 0
        count = self.used(name, window_ms, now_ms) + cost
        self._used[name] = (now_ms // window_ms, count)
        return count

    def _banned(self, now_ms: int) -> errors.ApiError:
        left = -(-(self.banned_until_ms - now_ms) // 1000)
        return errors.ApiError(
            -1003,
            f"Way too much request weight used; IP banned until {self.banned_until_ms}. Please use WebSocket Streams "
            "for live updates to avoid bans.",
            418,
            {"Retry-After": str(left)},
        )


def _seconds_left(now_ms: int, window_ms: int) -> int:
    return -(-(window_ms - now_ms % window_ms) // 1000)
