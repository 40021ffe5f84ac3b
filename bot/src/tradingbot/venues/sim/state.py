"""What the simulated exchange remembers. Written with every commit of the bot, so that it survives a restart."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from tradingbot.domain.events import Closed, Fill
from tradingbot.domain.money import sub
from tradingbot.domain.orders import Intent
from tradingbot.ports.venue import OpenOrder


class Resting(msgspec.Struct):
    """An order at the venue."""

    intent: Intent
    arrives: int
    """Market time in microseconds from which it can execute."""
    remaining: Decimal
    fills: int = 0
    triggered: bool = False
    leaves: int | None = None
    """Market time at which a cancel that is on its way takes effect."""
    cancels: int = 0
    """How often a cancel was asked for."""

    def told(self) -> OpenOrder:
        """Return what is told of it to whoever asks for open orders."""
        intent = self.intent
        filled = sub(intent.quantity, self.remaining)
        return OpenOrder(intent.client_id, intent.symbol, intent.side, intent.quantity, filled, intent.stop_price)


class Late(msgspec.Struct):
    """A report that is still on its way to the bot."""

    due: int
    event: Fill | Closed


class SimState(msgspec.Struct, kw_only=True):
    """Everything."""

    now: int = 0
    balances: dict[str, Decimal] = {}
    positions: dict[str, Decimal] = {}
    orders: dict[str, Resting] = {}
    done: dict[str, Decimal] = {}
    """Finished orders, by client id, with what was filled of them."""
    fills: list[Fill] = []
    used: dict[str, tuple[int, Decimal]] = {}
    """By symbol, the last candle or tick and what was executed of its volume."""
    late: list[Late] = []
