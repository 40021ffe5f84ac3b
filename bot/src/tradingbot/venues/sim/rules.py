"""What the simulated exchange charges and how fast it is. Fractions of the price, durations in microseconds."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from tradingbot.domain.events import Liquidity
from tradingbot.domain.money import ONE, UNIT, ZERO, add, ceil_to, mul
from tradingbot.venues.sim.faults import Faults

if TYPE_CHECKING:
    from tradingbot.domain.orders import Side


class SimRules(msgspec.Struct, frozen=True, kw_only=True):
    """One venue's terms."""

    commission: Decimal = Decimal("0.001")
    """Fee of an order that takes liquidity, as a fraction of its value."""
    maker_commission: Decimal | None = None
    """Fee of an order that waited for others; the same as `commission` unless it is given."""
    slippage: Decimal = Decimal("0.0001")
    """What an order that takes liquidity pays beyond the spread; grows with its share of what is there:
    the candle's volume, or on ticks the depth."""
    spread: Decimal = Decimal("0.0002")
    """Distance between bid and ask."""
    volume_share: Decimal = Decimal("0.1")
    """Largest part of a candle's volume that all orders together can get, and of a tick's those that wait."""
    depth: Decimal = Decimal(100_000)
    """On ticks, the value in quote currency that can be taken at one time; taking all of it costs `slippage` twice."""
    latency: int = 50_000
    """From the bot to the exchange, for an order; up to `latency_jitter` comes on top."""
    latency_jitter: int = 100_000
    cancel_latency: int = 0
    """From the bot to the exchange, for a cancel: until then the order can still execute."""
    fill_latency: int = 0
    """From the exchange to the bot, for the report of an execution."""
    faults: Faults = Faults()
    seed: int = 0

    @property
    def cost(self) -> Decimal:
        """Return the one-way cost of taking liquidity as a fraction of the order's value."""
        return add(add(self.commission, self.slippage), mul(self.spread, Decimal("0.5")))

    def fee(self, value: Decimal, liquidity: Liquidity = Liquidity.TAKER) -> Decimal:
        """Return the fee of an execution in quote currency, rounded up to the unit."""
        maker = liquidity is Liquidity.MAKER and self.maker_commission is not None
        rate = self.maker_commission if maker else self.commission
        return ceil_to(mul(value, rate if rate is not None else self.commission), UNIT)

    def delay(self, client_id: str) -> int:
        """Return how long an order travels: a function of seed and order, so a restart changes nothing."""
        if not self.latency_jitter:
            return self.latency
        digest = hashlib.sha256(f"{self.seed}/{client_id}".encode()).digest()
        return self.latency + int.from_bytes(digest[:4], "big") % self.latency_jitter

    def taker_price(self, price: Decimal, side: Side, share: Decimal, *, crossed: bool = False) -> Decimal:
        """Return what taking liquidity costs; `share` is the part taken of what is there.

        `price` is the mid price, or that of the other side where that is known (`crossed`).
        """
        half = ZERO if crossed else mul(self.spread, Decimal("0.5"))
        worse = add(half, mul(self.slippage, add(ONE, share)))
        return mul(price, add(ONE, mul(worse, Decimal(side.sign))))
