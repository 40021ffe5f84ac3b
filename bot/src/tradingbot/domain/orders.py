"""Orders: what was wanted (intent), what became of it (order), and the seal that only the risk gate can put on it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Generic, TypeVar

import msgspec

from tradingbot.domain.money import ZERO, sub


class Side(StrEnum):
    """Direction of an order."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """Return +1 for buy, -1 for sell."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        """Return the other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    """How an order executes. A stop becomes a market order when its price trades."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"


class Role(StrEnum):
    """Why an order exists. `STOP` and `TARGET` are the protective orders that rest at the venue."""

    ENTRY = "entry"
    EXIT = "exit"
    STOP = "stop"
    TARGET = "target"
    FLATTEN = "flatten"

    @property
    def protective(self) -> bool:
        """Tell whether it protects a position, so that a stop of the bot leaves it alone."""
        return self in (Role.STOP, Role.TARGET)


class Intent(msgspec.Struct, frozen=True):
    """An order that may be sent once this row is committed. Never sent twice, never changed."""

    client_id: str
    bot: str
    epoch: int
    seq: int
    symbol: str
    side: Side
    type: OrderType
    role: Role
    quantity: Decimal
    """In base currency, a multiple of the lot."""
    strategy: str
    reason: str
    ts: int
    """Market time of the decision in microseconds."""
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    reduce_only: bool = False
    """The venue executes at most what closes the position."""
    hold: Decimal = ZERO
    """Quote currency set aside for the worst case of this order, fees included."""
    stop_loss: Decimal | None = None
    """For an entry: where its protective stop goes as soon as it fills."""
    take_profit: Decimal | None = None


class OrderState(StrEnum):
    """Life of an order. The table of moves is in `core.order_table`."""

    INTENT = "INTENT"
    SENT = "SENT"
    OPEN = "OPEN"
    PARTIAL = "PARTIAL"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REFUSED = "REFUSED"
    UNKNOWN = "UNKNOWN"
    NEVER_ARRIVED = "NEVER_ARRIVED"

    @property
    def final(self) -> bool:
        """Tell whether nothing more is expected (a late fill is booked all the same)."""
        return self in _FINAL


_FINAL = frozenset(
    {
        OrderState.FILLED,
        OrderState.CANCELED,
        OrderState.EXPIRED,
        OrderState.REFUSED,
        OrderState.NEVER_ARRIVED,
    }
)


class Ask(StrEnum):
    """What was asked of the venue and is not answered yet; a second axis beside the state."""

    NONE = "none"
    CANCEL = "cancel"


class Order(msgspec.Struct):
    """An intent with everything that is known about it."""

    intent: Intent
    state: OrderState = OrderState.INTENT
    ask: Ask = Ask.NONE
    venue_id: str = ""
    filled: Decimal = ZERO
    """In base currency."""
    value: Decimal = ZERO
    """Sum of quantity times price of the fills, in quote currency."""
    fees: Decimal = ZERO
    """In quote currency."""
    held: Decimal = ZERO
    """What is still set aside of the intent's hold."""
    updated: int = 0
    note: str = ""
    trades: list[str] = []
    """Ids of the fills that are booked: a fill that comes twice is booked once."""

    @property
    def remaining(self) -> Decimal:
        """Return the quantity that is not filled yet."""
        return sub(self.intent.quantity, self.filled)

    @property
    def live(self) -> bool:
        """Tell whether the order may still execute, as far as is known."""
        return not self.state.final


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Approved(Generic[T]):
    """Something that passed the risk gate. `risk.gate` alone makes these (a test reads the source to keep it so)."""

    item: T
