"""What the simulated exchange charges and how fast it is. Fractions of the price, durations in microseconds."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from tradingbot.domain.money import ONE, UNIT, add, ceil_to, mul

if TYPE_CHECKING:
    from tradingbot.domain.orders import Side


class SimRules(msgspec.Struct, frozen=True, kw_only=True):
    """One venue's terms."""

    commission: Decimal = Decimal("0.001")
    slippage: Decimal = Decimal("0.0001")
    """What an order that takes liquidity pays beyond the spread; grows with its share of the candle's volume."""
    spread: Decimal = Decimal("0.0002")
    """Distance between bid and ask."""
    volume_share: Decimal = Decimal("0.1")
    """Largest part of a candle's volume that all orders together can get."""
    latency: int = 50_000
    latency_jitter: int = 100_000
    seed: int = 0

    @property
    def cost(self) -> Decimal:
        """Return the one-way cost of taking liquidity as a fraction of the order's value."""
        return add(add(self.commission, self.slippage), mul(self.spread, Decimal("0.5")))

    def fee(self, value: Decimal) -> Decimal:
        """Return the fee of an execution in quote currency, rounded up to the unit."""
        return ceil_to(mul(value, self.commission), UNIT)

    def delay(self, client_id: str) -> int:
        """Return how long an order travels: a function of seed and order, so a restart changes nothing."""
        if not self.latency_jitter:
            return self.latency
        digest = hashlib.sha256(f"{self.seed}/{client_id}".encode()).digest()
        return self.latency + int.from_bytes(digest[:4], "big") % self.latency_jitter

    def taker_price(self, price: Decimal, side: Side, share: Decimal) -> Decimal:
        """Return what taking liquidity costs at a mid price; `share` is the part of the candle's volume taken."""
        worse = add(mul(self.spread, Decimal("0.5")), mul(self.slippage, add(ONE, share)))
        return mul(price, add(ONE, mul(worse, Decimal(side.sign))))
