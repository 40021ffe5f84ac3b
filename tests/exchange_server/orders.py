"""Orders and fills as the exchange keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from .amounts import ZERO

if TYPE_CHECKING:
    from decimal import Decimal

Side = Literal["BUY", "SELL"]
STOPS = frozenset({"STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"})
PRICED = frozenset({"LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"})
TIMED = frozenset({"LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"})
OPEN = frozenset({"NEW", "PARTIALLY_FILLED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """What a client asks for, already parsed, not yet checked against the market."""

    account: str
    symbol: str
    side: Side
    type: str
    client_id: str
    time_in_force: str = "GTC"
    price: Decimal = ZERO
    quantity: Decimal = ZERO
    quote_quantity: Decimal = ZERO
    stop_price: Decimal = ZERO


@dataclass(slots=True, kw_only=True)
class Fill:
    """One execution. A hidden one is true, but not yet told."""

    trade_id: int
    order_id: int
    account: str
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    quote: Decimal
    commission: Decimal
    commission_asset: str
    maker: bool
    ts: int
    hidden: bool = False


@dataclass(slots=True, kw_only=True)
class Order:
    """One order and its life."""

    order_id: int
    asked: NewOrder
    created: int
    updated: int
    status: str = "NEW"
    quantity: Decimal = ZERO
    executed: Decimal = ZERO
    quote_executed: Decimal = ZERO
    triggered: bool = False
    locked: Decimal = ZERO
    fills: list[Fill] = field(default_factory=list)
    told_status: str | None = None
    """What the exchange says while a fill is hidden."""
    invisible_lookups: int = 0
    """So many look-ups by id still find nothing."""

    @property
    def account(self) -> str:
        return self.asked.account

    @property
    def symbol(self) -> str:
        return self.asked.symbol

    @property
    def side(self) -> Side:
        return self.asked.side

    @property
    def price(self) -> Decimal:
        return self.asked.price

    @property
    def client_id(self) -> str:
        return self.asked.client_id

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def waits_for_trigger(self) -> bool:
        return self.is_open and self.asked.type in STOPS and not self.triggered

    @property
    def rests(self) -> bool:
        """It can be hit: open, and no stop that waits."""
        return self.is_open and not self.waits_for_trigger

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.executed

    @property
    def told_fills(self) -> list[Fill]:
        return [fill for fill in self.fills if not fill.hidden]
