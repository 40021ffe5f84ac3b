"""Terms of a connection, and what its reports say beyond the port."""

from __future__ import annotations

import msgspec

from tradingbot.ports.venue import VenueReport
from tradingbot.venues.ccxt.mapping import NativeFee  # noqa: TC001 - msgspec reads the annotation


class VenueConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Terms of the connection."""

    exchange: str = "binance"
    symbols: tuple[str, ...]
    test_mode: bool = True
    """The exchange's test exchange; money is real only when this is false."""
    api_url: str = ""
    """Base address in the place of the exchange's own; empty: its own."""
    timeout: float = 10.0
    """Seconds for one request."""
    weight_per_minute: int = 1200
    orders_per_ten_seconds: int = 50
    max_skew_ms: int = 500
    visibility_delay: float = 2.0
    """Seconds for which a new order may not be found yet."""
    accept_unknown_rights: bool = False
    """Trade for real with a key of which the exchange does not say whether it may withdraw."""
    parallel_cancels: int = 16


class CcxtReport(VenueReport, frozen=True):
    """A report with the fees as they were taken: `Fill.fee` is their value in quote currency."""

    fees: dict[str, NativeFee] = msgspec.field(default_factory=dict)
    """By trade id."""
